"""How large a network is: its parameters and its multiplications."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(net: nn.Module) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in net.parameters())


def count_weights(net: nn.Module) -> int:
    """Numbers of the convolutions alone, as the authors count: their batch norms are merged into them."""
    return sum(count_parameters(module) for module in net.modules() if isinstance(module, nn.Conv2d))


def count_macs(net: nn.Module, size: tuple[int, int]) -> int:
    """Multiplications of the convolutions of one forward pass of one image of (height, width); nothing is computed."""
    meta = copy.deepcopy(net).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        meta(torch.empty(1, 3, *size, device="meta"))
    return int(counter.get_total_flops()) // 2
