"""How large a network is: its parameters and its multiplications."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from icnet.model.icnet import ICNet


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


def count_exit_macs(architecture: Mapping[str, Any], exit: str, size: tuple[int, int]) -> int:
    """`count_macs` of the network that `architecture` describes, as far as an exit; equal questions are answered once."""
    return _count_exit_macs(json.dumps(architecture), exit, size)


@functools.cache
def _count_exit_macs(architecture: str, exit: str, size: tuple[int, int]) -> int:
    with torch.device("meta"):
        net = ICNet.from_spec(json.loads(architecture))
    return count_macs(net.exit_at(exit), size)
