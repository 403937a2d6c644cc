"""How unsure a network is of a frame: where it hesitates, and where the stages of its cascade contradict each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from icnet.model.layers import Resize, size_of


class Doubt(NamedTuple):
    """Over the pixels of a frame's last stage.

    entropy: of the mean of the stages' class probabilities, from 0 (all are sure of the same) to 1 (a guess). Their own
    entropies are in it, and how far they differ (Jensen-Shannon divergence): a committee's doubt (McCallum and Nigam, 1998).
    differing: share of the pixels to which not all stages give the same class.
    pair: the two classes about which they differ most often; None where they never do.
    """

    entropy: float
    differing: float
    pair: tuple[int, int] | None


def measure_doubt(stages: Sequence[Tensor], resize: Resize) -> Doubt:
    """stages: logits (1, classes, ., .) of one frame, the earliest first; all are brought to the size of the last."""
    size = size_of(stages[-1])
    votes = torch.stack([resize(logits.float(), size).softmax(dim=1)[0] for logits in stages])
    count = votes.shape[1]
    entropy = torch.special.entr(votes.mean(dim=0)).sum(dim=0).mean() / math.log(max(count, 2))
    winners = votes.argmax(dim=1)
    earlier, last = winners[:-1], winners[-1:].expand_as(winners[:-1])
    differs = earlier != last
    low, high = torch.minimum(earlier, last)[differs], torch.maximum(earlier, last)[differs]
    often = int((low * count + high).bincount().argmax()) if len(low) else None
    return Doubt(
        entropy=float(entropy),
        differing=float(differs.any(dim=0).float().mean()),
        pair=None if often is None else divmod(often, count),
    )
