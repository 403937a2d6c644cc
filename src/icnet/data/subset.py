"""Parts of a split: frames set aside, where nothing else validates, and frames spread evenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from icnet.data.layouts import Sample
from icnet.errors import DataError


def split_off(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """(the rest, the given share), drawn with a fixed seed so that every run has the same validation frames."""
    count = round(share * len(samples))
    if not 0 < count < len(samples):
        raise DataError(
            f"data.val_fraction={share} of {len(samples)} images leaves training or validation empty: choose another share"
        )
    chosen = set(np.random.default_rng(0).permutation(len(samples))[:count].tolist())
    rest = [s for i, s in enumerate(samples) if i not in chosen]
    return rest, [s for i, s in enumerate(samples) if i in chosen]


def draw_groups(groups: Sequence[str], share: float) -> set[str]:
    """Groups that together have at least the share of the frames, drawn with a fixed seed. groups: of each frame."""
    sizes = Counter(groups)
    drawn: set[str] = set()
    for index in np.random.default_rng(0).permutation(len(sizes)):
        if sum(sizes[name] for name in drawn) < share * len(groups):
            drawn.add(sorted(sizes)[index])
    return drawn


def spread(length: int, count: int) -> list[int]:
    """Up to `count` places, evenly over 0..length-1, both ends included."""
    places: list[int] = np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist()
    return places
