"""task=benchmark: measures what `task.what` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegaconf import DictConfig

from icnet.errors import ConfigError
from icnet.tasks.benchmark.data import benchmark_data
from icnet.tasks.benchmark.frontier import benchmark_frontier
from icnet.tasks.benchmark.speed import benchmark_speed
from icnet.tasks.benchmark.training import benchmark_step, benchmark_training

_MEASURED: Mapping[str, Callable[[DictConfig], None]] = {
    "speed": benchmark_speed,
    "frontier": benchmark_frontier,
    "training": benchmark_training,
    "step": benchmark_step,
    "data": benchmark_data,
}


def benchmark(cfg: DictConfig) -> None:
    """Measure it, write results.json, print a table."""
    if cfg.task.what not in _MEASURED:
        raise ConfigError(f"task.what is {cfg.task.what!r}: choose one of {', '.join(_MEASURED)}")
    _MEASURED[cfg.task.what](cfg)
