"""How fast an engine is, how fast the parts of its network are, and how fast the machine could be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from icnet.engines.engine import Engine
from icnet.engines.pytorch import TorchEngine
from icnet.model.icnet import run_half, run_quarter
from icnet.model.label_map import to_label_map

_REPEATS = 5
_SIDE = 2048  # of the matrices whose product is timed: large enough to be bound by arithmetic


def measure_image_ms(engine: Engine, frame: Tensor) -> float:
    """Median milliseconds from one frame (H, W, 3) uint8 to its label map, on the engine's device and in its precision."""
    return statistics.median(time_images({"": engine}, frame[None])[""])


def time_images(engines: Mapping[str, Engine], frames: Tensor, repeats: int = _REPEATS) -> dict[str, list[float]]:
    """Milliseconds of each repeat from frames (N, H, W, 3) uint8 to their label maps.

    The engines take turns, so that what else the machine does hits all alike. A first pass warms up; the device is
    synchronised around each.
    """
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(repeats + 1):
        for name, engine in engines.items():
            there = frames.to(engine.device)
            start = _now(engine.device)
            engine.label_maps(there)
            times[name].append(1e3 * (_now(engine.device) - start))
    return {name: series[1:] for name, series in times.items()}


@torch.inference_mode()
def time_stages(engine: TorchEngine, frames: Tensor, repeats: int = _REPEATS) -> dict[str, float]:
    """Median milliseconds of each part of the way from frames (N, H, W, 3) to label maps; an fp32 engine."""
    net, frames = engine.net, frames.to(engine.device)
    laps: dict[str, list[float]] = {}
    for _ in range(repeats + 1):
        marks = {"": _now(engine.device)}
        images = engine.normalize(frames)
        marks["normalise"] = _now(engine.device)
        sub2 = run_half(images, net.backbone, net.resize)
        marks["half branch"] = _now(engine.device)
        sub4 = run_quarter(sub2, net.backbone, net.ppm, net.resize)
        marks["quarter branch"] = _now(engine.device)
        logits = net.fuse(images, sub2, sub4)
        marks["full-image branch and fusion"] = _now(engine.device)
        to_label_map(logits, (frames.shape[1], frames.shape[2]), net.resize)
        marks["resize and argmax"] = _now(engine.device)
        names, moments = list(marks)[1:], list(marks.values())
        for name, begin, end in zip(names, moments, moments[1:], strict=False):
            laps.setdefault(name, []).append(1e3 * (end - begin))
    return {name: statistics.median(series[1:]) for name, series in laps.items()}


def measure_product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiplications a second of this device's own matrix product, the best of several: no convolution is faster."""
    left, right = (torch.randn(_SIDE, _SIDE, device=device).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(_REPEATS + 1):
        start = _now(device)
        torch.mm(left, right)
        seconds.append(_now(device) - start)
    return float(_SIDE**3 / min(seconds))


def _now(device: torch.device) -> float:
    """Seconds, when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
