"""Class weights from the frequency of the classes in the training labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from icnet.data.images import read_label
from icnet.data.labels import ClassTable
from icnet.data.layouts import Sample
from icnet.errors import ConfigError


def compute_class_weights(samples: Sequence[Sample], classes: ClassTable, kind: str) -> list[float]:
    """A weight per class from the labelled pixels of all samples, as in `weigh`."""
    return weigh(count_pixels(samples, classes), kind)


def weigh(counts: npt.NDArray[np.int64], kind: str) -> list[float]:
    """A weight per class from its labelled pixels; 0 for a class that never occurs.

    kind: "median_frequency", median of the shares / share (Eigen and Fergus, 2015), or "log", 1 / ln(1.02 + share)
        (Paszke et al., ENet, 2016).
    """
    share = counts / max(counts.sum(), 1)
    with np.errstate(divide="ignore"):
        if kind == "median_frequency":
            weights = np.median(share[share > 0]) / share if share.any() else share
        elif kind == "log":
            weights = 1 / np.log(1.02 + share)
        else:
            raise ConfigError(f"loss.class_weights is {kind!r}: give a list, median_frequency or log")
    return [float(w) for w in np.where(share > 0, weights, 0.0)]


def count_pixels(samples: Sequence[Sample], classes: ClassTable) -> npt.NDArray[np.int64]:
    """Labelled pixels of each class."""

    def count(sample: Sample) -> npt.NDArray[np.int64]:
        return np.bincount(read_label(sample.label, classes).ravel(), minlength=256)[: len(classes)]

    with ThreadPoolExecutor() as pool:
        total: npt.NDArray[np.int64] = np.sum(list(pool.map(count, samples)), axis=0)
    return total
