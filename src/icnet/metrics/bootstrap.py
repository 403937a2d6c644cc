"""How far a score would move with other images of the same kind: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

Floats = npt.NDArray[np.float64]
_AT_ONCE = 256  # replicates that are computed together: 1 MB of weights for 500 images


class Interval(NamedTuple):
    """A score of all images, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def bootstrap_miou(matrices: Tensor, replicates: int = 2000, seed: int = 0) -> Interval:
    """Percentile interval of the mIoU over images (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13).

    matrices: (images, classes, classes) as of PerImageConfusion. A replicate draws as many images as there are, with
    replacement, and its mIoU comes from the sum of their matrices; classes whose union is empty in it are left out.
    """
    parts = _hits_and_unions(matrices)
    means = np.concatenate([_miou(weights, parts) for weights in _draw(len(matrices), replicates, seed)])
    return _interval(_miou_of_all(parts), means)


def paired_difference(a: Tensor, b: Tensor, replicates: int = 2000, seed: int = 0) -> Interval:
    """mIoU of `a` minus mIoU of `b`, matrices of the same images in the same order; both see the same draws.

    What makes an image hard for both networks cancels: the interval is narrower than those of the two mIoU suggest.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} images are to be compared with {len(b)}: score both networks on the same ones")
    first, second = _hits_and_unions(a), _hits_and_unions(b)
    draws = _draw(len(a), replicates, seed)
    differences = np.concatenate([_miou(weights, first) - _miou(weights, second) for weights in draws])
    return _interval(_miou_of_all(first) - _miou_of_all(second), differences)


def _hits_and_unions(matrices: Tensor) -> tuple[Floats, Floats]:
    """Each (images, classes): all that the IoU needs; doubles hold the counts exactly."""
    counts = matrices.cpu().numpy()
    hits = np.diagonal(counts, axis1=1, axis2=2)
    unions = counts.sum(axis=1) + counts.sum(axis=2) - hits
    return hits.astype(np.float64), unions.astype(np.float64)


def _draw(images: int, replicates: int, seed: int) -> Iterator[Floats]:
    """How often each image is drawn (some replicates, images)."""
    if not images:
        raise ValueError("there is no image to draw from: score at least one")
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, _AT_ONCE):
        count = min(_AT_ONCE, replicates - start)
        yield rng.multinomial(images, np.full(images, 1 / images), size=count).astype(np.float64)


def _miou(weights: Floats, parts: tuple[Floats, Floats]) -> Floats:
    """mIoU of each row of weights; NaN where no pixel is counted."""
    hits, unions = (weights @ part for part in parts)
    present = unions > 0
    ious = np.divide(hits, unions, out=np.zeros_like(hits), where=present)
    classes = present.sum(axis=1)
    return np.divide(ious.sum(axis=1), classes, out=np.full(len(ious), np.nan), where=classes > 0)


def _miou_of_all(parts: tuple[Floats, Floats]) -> float:
    return float(_miou(np.ones((1, len(parts[0]))), parts)[0])


def _interval(value: float, replicates: Floats) -> Interval:
    defined = replicates[~np.isnan(replicates)]
    if not len(defined):
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Interval(value, float(low), float(high))
