"""How fast an engine is."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor

from icnet.engines.engine import Engine

_REPEATS = 5


def measure_image_ms(engine: Engine, frame: Tensor) -> float:
    """Median milliseconds from one frame (H, W, 3) uint8 on the engine's device to its label map, in the engine's precision.

    One pass warms up; the device is synchronised around each.
    """
    frames = frame[None].to(engine.device)
    times = [_time(engine, frames) for _ in range(_REPEATS + 1)][1:]
    return statistics.median(times)


def _time(engine: Engine, frames: Tensor) -> float:
    _synchronize(engine.device)
    start = time.perf_counter()
    engine.label_maps(frames)
    _synchronize(engine.device)
    return 1e3 * (time.perf_counter() - start)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
