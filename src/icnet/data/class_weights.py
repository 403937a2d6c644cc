"""Class weights from the frequency of the classes in the training labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from icnet.data.images import read_label
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.samples import Sample
from icnet.errors import ConfigError


def compute_class_weights(samples: Sequence[Sample], classes: ClassTable, kind: str) -> list[float]:
    """A weight per class from the labels of all samples, as in `weigh`."""
    return weigh(count_pixels(samples, classes), kind)


def check_weights(weights: Sequence[float], classes: ClassTable) -> Sequence[float]:
    """Given weights, which must be one for each class."""
    if len(weights) != len(classes):
        raise ConfigError(
            f"loss.class_weights has {len(weights)} entries for {len(classes)} classes: give one for each"
        )
    return weights


def weigh(counts: npt.NDArray[np.int64], kind: str) -> list[float]:
    """A weight per class; 0 for one that never occurs.

    counts: (images, classes + 1) pixels of each class in each image, the ignored ones last.
    kind: "median_frequency", median of the frequencies / frequency, where that of a class is its pixels over all pixels of
        the images in which it occurs (Eigen and Fergus, 2015); or "log", 1 / ln(1.02 + share), where the share is of all
        labelled pixels (Paszke et al., ENet, 2016).
    """
    pixels = counts[:, :-1].sum(axis=0)
    occurs = pixels > 0
    weights = np.zeros(len(pixels))
    if kind == "median_frequency":
        around = counts.sum(axis=1) @ (counts[:, :-1] > 0)
        frequency = pixels[occurs] / around[occurs]
        weights[occurs] = np.median(frequency) / frequency if occurs.any() else 0.0
    elif kind == "log":
        weights[occurs] = 1 / np.log(1.02 + pixels[occurs] / max(pixels.sum(), 1))
    else:
        raise ConfigError(f"loss.class_weights is {kind!r}: give a list, median_frequency or log")
    return [float(w) for w in weights]


def weigh_frames(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """How much more often each image should come than one whose classes are in every image, after its rarest class.

    1 / sqrt(f), where f is the share of the images that hold that class (Gupta et al., LVIS, 2019, with their t = 1).
    counts: as in `weigh`.
    """
    holds = counts[:, :-1] > 0
    share = holds.mean(axis=0)
    factors = 1 / np.sqrt(np.where(share > 0, share, 1))
    weights: npt.NDArray[np.float64] = np.where(holds, factors, 1).max(axis=1)
    return weights


def count_pixels(samples: Sequence[Sample], classes: ClassTable) -> npt.NDArray[np.int64]:
    """(images, classes + 1) pixels of each class in each image, the ignored ones last."""

    def count(sample: Sample) -> npt.NDArray[np.int64]:
        found = np.bincount(read_label(sample.label, classes).ravel(), minlength=IGNORE + 1)
        return found[[*range(len(classes)), IGNORE]]

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(count, samples)))
