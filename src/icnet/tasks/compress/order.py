"""What task=compress is asked for: shares of a network's own width, and which filters go first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from omegaconf import DictConfig, ListConfig
from torch import Tensor

from icnet.errors import ConfigError
from icnet.model.icnet import ICNet
from icnet.model.prune import Group, choose_largest, cut, find_groups, measure_filters

# Scores (width,) of the channels of a group, of which the smallest are cut
RANKS: Mapping[str, Callable[[ICNet, Group, torch.Generator], Tensor]] = {
    "l1": lambda net, group, generator: measure_filters(net, group),
    "random": lambda net, group, generator: torch.rand(group.width, generator=generator),
}


@dataclass(frozen=True)
class Order:
    """keep, rank, seed: as the configuration has them. widths: of each group of the network that was given, by name."""

    keep: tuple[float, ...]
    rank: str
    seed: int
    widths: Mapping[str, int]

    def choose(self, net: ICNet, share: float) -> dict[Group, Tensor]:
        """The channels that remain of each group of `net`, which may have been cut before."""
        generator = torch.Generator().manual_seed(self.seed)
        return {
            group: choose_largest(RANKS[self.rank](net, group, generator), round(share * self.widths[group.name]))
            for group in find_groups(net)
        }


def read_order(task: DictConfig, seed: int, net: ICNet) -> Order:
    """task.keep and task.rank for this network; ConfigError where it cannot be cut so."""
    if task.rank not in RANKS:
        raise ConfigError(f"task.rank is {task.rank!r}: choose {' or '.join(RANKS)}")
    keep = _read_keep(task.keep)
    try:
        widths = {group.name: group.width for group in find_groups(net)}
        narrowest = min(widths, key=widths.__getitem__)
        if round(keep[-1] * widths[narrowest]) < 1:
            raise ConfigError(
                f"task.keep has {keep[-1]}, which leaves {narrowest} none of its {widths[narrowest]} filters: give more "
                f"than {0.5 / widths[narrowest]:g}"
            )
        order = Order(keep, task.rank, seed, widths)
        cut(net, order.choose(net, keep[-1]))
    except ValueError as error:
        raise ConfigError(f"the network of ckpt cannot be compressed ({error}): give another one") from error
    return order


def _read_keep(keep: object) -> tuple[float, ...]:
    if not isinstance(keep, ListConfig) or not keep or not all(_is_share(share) for share in keep):
        raise ConfigError(f"task.keep is {keep}: give a list of shares above 0 and at most 1, such as [0.75,0.5]")
    if not all(first > second for first, second in pairwise(keep)):
        raise ConfigError(f"task.keep is {keep}: give falling shares, each of the width that the network of ckpt has")
    return tuple(float(share) for share in keep)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
