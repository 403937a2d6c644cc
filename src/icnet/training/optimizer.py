"""Optimizers and schedules of the paper, with the parameter groups that they need."""

from __future__ import annotations

import logging
import sys
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from icnet.errors import ConfigError

log = logging.getLogger(__name__)
_SHORTENED = 10  # a run shorter than its warm-up warms up for one part in so many


def sgd(
    net: nn.Module,
    loaded: frozenset[str] = frozenset(),
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    nesterov: bool = False,
    new_layers_multiple: float = 1.0,
) -> SGD:
    """SGD as in the paper: momentum 0.9, weight decay 1e-4 on convolution weights only.

    loaded: names of the parameters that come from a file.
    new_layers_multiple: factor on the rate of all others (mmsegmentation and others use 10); 1 where nothing was loaded.
    """
    _check_ranges("optimizer", momentum=(momentum, 0, 1))
    if nesterov and momentum == 0:
        raise ConfigError("optimizer.nesterov needs a momentum: optimizer.momentum is 0; 0.9 is usual")
    groups = parameter_groups(net, loaded, lr, weight_decay, new_layers_multiple)
    return SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov)


def adamw(
    net: nn.Module,
    loaded: frozenset[str] = frozenset(),
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.01,
    new_layers_multiple: float = 1.0,
) -> AdamW:
    """AdamW (Loshchilov and Hutter, 2019) with the same groups as `sgd`."""
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"optimizer.betas is {list(betas)}: give two numbers of at least 0 and below 1")
    groups = parameter_groups(net, loaded, lr, weight_decay, new_layers_multiple)
    return AdamW(groups, lr=lr, betas=(betas[0], betas[1]))


def parameter_groups(
    net: nn.Module, loaded: frozenset[str], lr: float, weight_decay: float, new_layers_multiple: float
) -> list[dict[str, Any]]:
    """Split parameters by whether they decay (weights of convolutions and of the linear classifier) and whether they are
    new. Loaded ones come first: the log shows the rate of the first group. Empty groups are left out."""
    top = sys.float_info.max
    _check_ranges(
        "optimizer",
        lr=(lr, 0, top),
        weight_decay=(weight_decay, 0, top),
        new_layers_multiple=(new_layers_multiple, 0, top),
    )
    decaying = {
        f"{name}.weight" if name else "weight"
        for name, m in net.named_modules()
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    }
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        is_new = bool(loaded) and name not in loaded
        groups.setdefault((name in decaying, is_new), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": lr * (new_layers_multiple if is_new else 1.0),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (decays, is_new), parameters in sorted(groups.items(), key=lambda item: (item[0][1], not item[0][0]))
    ]


def poly(
    optimizer: Optimizer, total_steps: int, *, power: float = 0.9, warmup_steps: int = 0, warmup_from: float = 0.1
) -> LambdaLR:
    """Rate x (1 - step / total_steps) ^ power, per step (paper, section 5), with an optional linear warm-up.

    warmup_steps: of a run that is no longer than this, a tenth is warmed up for, and the log says so.
    warmup_from: share of the rate at which the warm-up starts.
    """
    _check_ranges(
        "scheduler",
        power=(power, 0, sys.float_info.max),
        warmup_steps=(warmup_steps, 0, sys.maxsize),
        warmup_from=(warmup_from, 0, 1),
    )
    warm_steps = warmup_steps if warmup_steps < total_steps else total_steps // _SHORTENED
    if warm_steps < warmup_steps:
        words = "scheduler.warmup_steps is %d, the run has %d steps: it warms up for %d"
        log.warning(words, warmup_steps, total_steps, warm_steps)

    def factor(step: int) -> float:
        warm = 1.0 if step >= warm_steps else warmup_from + (1 - warmup_from) * step / warm_steps
        return float(warm * (1 - min(step, total_steps) / total_steps) ** power)

    return LambdaLR(optimizer, factor)


def _check_ranges(group: str, **settings: tuple[float, float, float]) -> None:
    """settings: name = (value, smallest, largest)."""
    for name, (value, low, high) in settings.items():
        if not low <= value <= high:
            limit = "a finite number of at least 0" if high > 1 else f"a number in {low}..{high}"
            raise ConfigError(f"{group}.{name} is {value}: give {limit}")
