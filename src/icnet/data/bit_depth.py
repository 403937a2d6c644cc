"""How many of their 16 bits the images of a data set use: cameras deliver 10, 12 or 14."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from icnet.data.images import read_largest
from icnet.data.subset import spread
from icnet.errors import DataError
from icnet.model.preprocess import WHOLE_DEPTH

_DEPTHS = (8, 10, 12, 14, WHOLE_DEPTH)
_LOOKED_AT = 20  # images


def find_bit_depth(images: Sequence[Path]) -> int:
    """The depth that the brightest of an even choice of images needs; 16 where they have 8 bits.

    Images that cannot be read say nothing here.
    """
    largest = max(map(_read_largest, (images[i] for i in spread(len(images), _LOOKED_AT))), default=0)
    return next(depth for depth in _DEPTHS if largest < 1 << depth) if largest else WHOLE_DEPTH


def _read_largest(path: Path) -> int:
    try:
        return read_largest(path)
    except DataError:
        return 0
