"""Parts of a split: frames set aside, where nothing else validates, a share of them, and frames spread evenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from icnet.data.samples import Sample
from icnet.errors import DataError

RUNS = 5


def split_off(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """(the rest, the given share), drawn with a fixed seed so that every run has the same validation frames.

    Drawn are runs of frames that follow each other, as neighbours resemble each other: about RUNS where there are as many.
    """
    count = round(share * len(samples))
    if not 0 < count < len(samples):
        raise DataError(
            f"data.val_fraction={share} of {len(samples)} images leaves training or validation empty: choose another share"
        )
    length = max(1, count // RUNS)
    starts = np.random.default_rng(0).permutation(-(-len(samples) // length)) * length
    drawn = [index for start in starts.tolist() for index in range(start, min(start + length, len(samples)))]
    chosen = set(drawn[:count])
    rest = [s for i, s in enumerate(samples) if i not in chosen]
    return rest, [s for i, s in enumerate(samples) if i in chosen]


def draw_groups(groups: Sequence[str], share: float) -> set[str]:
    """Groups drawn with a fixed seed, each where it brings their frames nearer to the share. groups: of each frame.

    At least one and never all: with the smallest, where each is too large.
    """
    sizes = Counter(groups)
    names, wanted, count = sorted(sizes), share * len(groups), 0
    drawn: set[str] = set()
    for index in np.random.default_rng(0).permutation(len(names)):
        size = sizes[names[index]]
        if abs(count + size - wanted) <= abs(count - wanted) and len(drawn) < len(names) - 1:
            drawn.add(names[index])
            count += size
    return drawn or {min(names, key=sizes.__getitem__)}


def take_share(samples: Sequence[Sample], share: float) -> list[Sample]:
    """The given share (0..1) of the samples, at least one, spread evenly; a larger share holds all of a smaller one.

    Of their places written as binary numbers those come first whose mirrored digits are small: 0, 1/2, 1/4, 3/4, 1/8, ...
    """
    digits = (len(samples) - 1).bit_length()
    order = sorted(range(len(samples)), key=lambda place: int(f"{place:0{digits}b}"[::-1], 2))
    return [samples[place] for place in sorted(order[: max(1, round(share * len(samples)))])]


def spread(length: int, count: int) -> list[int]:
    """Up to `count` places, evenly over 0..length-1, both ends included."""
    places: list[int] = np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist()
    return places


def deal_folds(groups: Sequence[str], folds: int) -> list[int]:
    """The fold, 0..folds-1, of each frame. groups: of each; those of one group stay together, and folds are about as large.

    Where every frame is a group of its own, runs of frames that follow each other do, as neighbours resemble each other:
    about RUNS of them in each fold where there are as many.
    """
    sizes = Counter(groups)
    if len(sizes) == len(groups):
        length = max(1, len(groups) // (folds * RUNS))
        return [place // length % folds for place in range(len(groups))]
    filled = dict.fromkeys(range(folds), 0)
    fold_of: dict[str, int] = {}
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold_of[name] = min(filled, key=filled.__getitem__)
        filled[fold_of[name]] += size
    return [fold_of[name] for name in groups]
