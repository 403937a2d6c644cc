"""task=benchmark: measures what `task.what` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegaconf import DictConfig

from icnet.errors import ConfigError
from icnet.tasks.benchmark.data import benchmark_data

_MEASURED: Mapping[str, Callable[[DictConfig], None]] = {"data": benchmark_data}


def benchmark(cfg: DictConfig) -> None:
    """Measure it, write results.json, print a table."""
    if cfg.task.what not in _MEASURED:
        raise ConfigError(f"task.what is {cfg.task.what!r}: give {' or '.join(_MEASURED)}")
    _MEASURED[cfg.task.what](cfg)
