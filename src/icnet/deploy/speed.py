"""How fast an engine is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from icnet.engines.engine import Engine

_REPEATS = 5


def measure_image_ms(engine: Engine, frame: Tensor) -> float:
    """Median milliseconds from one frame (H, W, 3) uint8 to its label map, on the engine's device and in its precision."""
    return statistics.median(time_images({"": engine}, frame)[""])


def time_images(engines: Mapping[str, Engine], frame: Tensor, repeats: int = _REPEATS) -> dict[str, list[float]]:
    """Milliseconds of each repeat from one frame to its label map.

    The engines take turns, so that what else the machine does hits all alike. A first pass warms up; the device is
    synchronised around each.
    """
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(repeats + 1):
        for name, engine in engines.items():
            times[name].append(_time(engine, frame[None].to(engine.device)))
    return {name: series[1:] for name, series in times.items()}


def _time(engine: Engine, frames: Tensor) -> float:
    _synchronize(engine.device)
    start = time.perf_counter()
    engine.label_maps(frames)
    _synchronize(engine.device)
    return 1e3 * (time.perf_counter() - start)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
