"""How large and how fast a network is."""

from __future__ import annotations

import copy
import statistics
import time

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(net: nn.Module) -> int:
    """Trainable numbers, guidance heads included."""
    return sum(p.numel() for p in net.parameters())


def count_macs(net: nn.Module, size: tuple[int, int]) -> int:
    """Multiplications of the convolutions of one forward pass of one image of (height, width); nothing is computed."""
    meta = copy.deepcopy(net).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        meta(torch.empty(1, 3, *size, device="meta"))
    return int(counter.get_total_flops()) // 2


@torch.inference_mode()
def measure_image_ms(net: nn.Module, size: tuple[int, int], repeats: int = 5) -> float:
    """Median milliseconds of a forward pass of one image of (height, width), where the network lies, in fp32.

    One pass warms up; the device is synchronised around each.
    """
    device = next(net.parameters()).device
    images = torch.rand(1, 3, *size, device=device).to(memory_format=torch.channels_last)
    net.eval()
    times = [_timed(net, images) for _ in range(repeats + 1)][1:]
    return statistics.median(times)


def _timed(net: nn.Module, images: Tensor) -> float:
    _synchronize(images.device)
    start = time.perf_counter()
    net(images)
    _synchronize(images.device)
    return 1e3 * (time.perf_counter() - start)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
