"""Finds frames whose size is not that of the others, or too small for a crop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from icnet.data.check.findings import Finding, Kind

Size = tuple[int, int]  # (height, width)
_MOST = 0.9  # of the frames have the same size: the others are named
_APART = (
    2.0  # times as large or small as the median frame: so is the frame of another camera, a thumbnail, a stray file
)


def usual_sizes(sizes: Mapping[Size, int]) -> list[Size]:
    """Those that are no outliers. sizes: how many frames have each."""
    every = np.repeat(np.array(list(sizes)), list(sizes.values()), axis=0)
    median = np.median(every, axis=0)
    return [
        size for size in sizes if all(m / _APART <= n <= m * _APART for n, m in zip(size, median, strict=True))
    ] or [*sizes]


def find_odd_sizes(frames: Mapping[Path, Size]) -> Iterator[Finding]:
    """Frames of another size than nearly all, and outliers where sizes vary."""
    sizes = Counter(frames.values())
    if len(sizes) < 2:
        return
    (commonest, count), *_ = sizes.most_common(1)
    usual = [commonest] if count >= _MOST * len(frames) else usual_sizes(sizes)
    for path, size in frames.items():
        if size not in usual:
            yield Finding(
                Kind.ODD_SIZE,
                f"{path} is {size[0]}x{size[1]}, where {count} of {len(frames)} frames are "
                f"{commonest[0]}x{commonest[1]}: leave it out if it does not belong to them",
            )


def find_smaller(frames: Mapping[Path, Size], crop: Sequence[int]) -> Iterator[Finding]:
    """Frames that a crop (height, width) goes beyond."""
    smaller = [path for path, size in frames.items() if size[0] < crop[0] or size[1] < crop[1]]
    if smaller:
        height, width = frames[smaller[0]]
        yield Finding(
            Kind.SMALLER,
            f"{len(smaller)} of {len(frames)} frames are smaller than data.crop_size={list(crop)}, such as {smaller[0]} "
            f"({height}x{width}): the rest of their crops is padded and ignored",
        )
