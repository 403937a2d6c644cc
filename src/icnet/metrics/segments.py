"""Where a network fails: its scores by the size of objects and by the distance from boundaries."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torchmetrics import Metric

from icnet.metrics.boundary import find_edges
from icnet.metrics.pixels import VALUES, Bytes, split_images

SIZE_LIMITS = (1, 9, 81)  # in 1/2048 of the image: 32x32, 96x96 and 288x288 pixels of 1024x2048
SIZE_UNIT = 2048
DISTANCE_LIMITS = (2, 4, 8, 16, 32)  # pixels


class CountsBySize(Metric):
    """Hits, misses and false alarms of each class by the size of the connected segment that they lie in.

    `compute` returns (sizes, 3, classes) int64: true positives, false negatives, false positives. The first two go by the
    segment of the label, false positives by the predicted segment: each pixel counts once, and the sum over the sizes
    is what the confusion matrix has. A segment is smaller than SIZE_LIMITS of the image, or belongs to the last size.
    Segments are connected by rows and columns, and end where pixels are ignored.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, num_classes: int, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.ignore_index = num_classes, ignore_index
        empty = torch.zeros(len(SIZE_LIMITS) + 1, 3, num_classes, dtype=torch.int64)
        self.add_state("counts", empty, dist_reduce_fx="sum")

    def update(self, label_map: Tensor, labels: Tensor) -> None:
        """label_map: predicted classes; labels: true ones; same shape (N, H, W) or (H, W), integers."""
        for prediction, label in split_images(label_map, labels, self.num_classes, self.ignore_index):
            wrong = prediction != label
            sizes, predicted_sizes = find_sizes(label), find_sizes(prediction)
            counted = ((label, sizes, ~wrong), (label, sizes, wrong), (prediction, predicted_sizes, wrong))
            for kind, (classes, size_of, where) in enumerate(counted):
                self.counts[:, kind] += self._count(classes[where], size_of[where])

    def compute(self) -> Tensor:
        """The counts so far."""
        return self.counts

    def _count(self, classes: Bytes, sizes: Bytes) -> Tensor:
        groups = len(SIZE_LIMITS) + 1
        counts = np.bincount(sizes * np.intp(VALUES) + classes, minlength=groups * VALUES)
        return torch.from_numpy(counts.reshape(groups, VALUES)[:, : self.num_classes]).to(self.device)


def iou_by_size(counts: Tensor) -> Tensor:
    """(sizes, classes) float64 IoU from what CountsBySize gives; NaN where nothing was counted."""
    hits, union = counts[:, 0].to(torch.float64), counts.sum(1)
    return torch.where(union > 0, hits / union, torch.nan)


class ConfusionByDistance(Metric):
    """Confusion matrices of the pixels in bands around the boundaries of the labels (as trimaps: Kohli et al., IJCV 2009).

    `compute` returns (bands, classes, classes) int64. A band reaches up to one of DISTANCE_LIMITS, the last one has what is
    farther away. The distance is the Euclidean one to the nearest boundary pixel, which has a pixel of another
    class above, below, left or right of it; ignored pixels are no class.
    """

    full_state_update = False
    matrices: Tensor

    def __init__(self, num_classes: int, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.ignore_index = num_classes, ignore_index
        empty = torch.zeros(len(DISTANCE_LIMITS) + 1, num_classes, num_classes, dtype=torch.int64)
        self.add_state("matrices", empty, dist_reduce_fx="sum")

    def update(self, label_map: Tensor, labels: Tensor) -> None:
        """label_map: predicted classes; labels: true ones; same shape (N, H, W) or (H, W), integers."""
        n, bands = self.num_classes, len(DISTANCE_LIMITS) + 1
        for prediction, label in split_images(label_map, labels, n, self.ignore_index):
            codes = (find_distance_band(label) * np.intp(VALUES) + label) * VALUES + prediction
            counts = np.bincount(codes.ravel(), minlength=bands * VALUES**2).reshape(bands, VALUES, VALUES)
            self.matrices += torch.from_numpy(counts[:, :n, :n]).to(self.device)

    def compute(self) -> Tensor:
        """The matrices so far."""
        return self.matrices


def find_distance_band(label: Bytes) -> Bytes:
    """(H, W) for each pixel: how many of DISTANCE_LIMITS lie nearer than the nearest boundary pixel."""
    edges = find_edges(label)
    if not edges.any():
        return np.full(label.shape, len(DISTANCE_LIMITS), np.uint8)
    distance = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    band = np.zeros(label.shape, np.uint8)
    for limit in DISTANCE_LIMITS:
        band += distance > limit
    return band


def find_sizes(pixels: Bytes) -> Bytes:
    """(H, W) for each pixel: how many of SIZE_LIMITS the connected segment that it lies in has reached."""
    segments, areas = find_segments(pixels)
    limits = np.array(SIZE_LIMITS) * pixels.size / SIZE_UNIT
    return np.searchsorted(limits, areas, side="right").astype(np.uint8)[segments]


def find_segments(pixels: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """The number of the connected segment that each pixel of (H, W) lies in, and the pixels of each segment.

    Segments of all values at once: runs of one value in a row, joined to those below and above them.
    """
    starts = np.ones(pixels.shape, np.bool_)
    starts[:, 1:] = pixels[:, 1:] != pixels[:, :-1]
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=pixels.size)
    segment = _join(pixels, starts, np.repeat(np.arange(len(first)), lengths))
    areas = np.bincount(segment, weights=lengths).astype(np.intp)
    return np.repeat(segment, lengths).reshape(pixels.shape), areas


def _join(
    pixels: npt.NDArray[np.integer[Any]], starts: npt.NDArray[np.bool_], run: npt.NDArray[np.intp]
) -> npt.NDArray[np.int32]:
    """The segment of each run; `run` is that of each pixel (H * W,)."""
    touches = (pixels[1:] == pixels[:-1]) & (starts[1:] | starts[:-1])  # where two runs of a class begin to overlap
    below = np.flatnonzero(touches) + pixels.shape[1]
    pairs = run[below], run[below - pixels.shape[1]]
    runs = int(run[-1]) + 1
    graph = coo_array((np.ones(len(below), np.bool_), pairs), shape=(runs, runs))
    return connected_components(graph, directed=False)[1]
