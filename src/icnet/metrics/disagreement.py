"""The regions in which network and label disagree, those first whose label the network believes least."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from icnet.metrics.pixels import NONE, VALUES, Bytes, split_images
from icnet.metrics.segments import SIZE_UNIT, find_segments

_AROUND = 0.75  # of the longer side of a region is shown on each side of it
_SMALLEST = 160  # rows and columns that are shown, where the frame has them


class Region(NamedTuple):
    """Connected pixels of one label and one prediction.

    confidence: that the label is wrong, 1 - p(label) in the mean over the pixels, in 0..1. It is the self-confidence by
        which confident learning finds wrong labels (Northcutt, Jiang and Chuang, JAIR 2021), here of a region. On streets
        with planted errors it found twice as many as the margin p(prediction) - p(label).
    place: of the frame in the data set. top, left: of the region in it. mask: (h, w), its pixels from there.
    rows, columns: of the frame, to show the region in. predicted: the train ids there.
    """

    confidence: float
    pixels: int
    place: int
    top: int
    left: int
    label: int
    prediction: int
    mask: npt.NDArray[np.bool_]
    rows: slice
    columns: slice
    predicted: Bytes


Entry = tuple[float, int, int, Region]  # two numbers part those of equal confidence


class Disagreements:
    """The `most` regions of a split with the highest confidence; memory holds no others.

    least: pixels of a region; None: 1/2048 of its frame, which is 32x32 of 1024x2048.
    """

    def __init__(self, most: int, least: int | None, num_classes: int, ignore_index: int = 255) -> None:
        self.most, self.least = most, least
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self._heap: list[Entry] = []  # the least of them first

    def update(self, label_map: Tensor, labels: Tensor, probabilities: Tensor, place: int) -> None:
        """Look at one frame. label_map, labels: (1, H, W) train ids; probabilities: (1, classes, H, W)."""
        ((prediction, label),) = split_images(label_map, labels, self.num_classes, self.ignore_index)
        held = labels.long().clamp(max=self.num_classes - 1)  # ignored pixels belong to no region
        belief = probabilities.gather(1, held[:, None])[0, 0].cpu().numpy()
        codes = np.where(prediction == label, NONE * (VALUES + 1), label * np.intp(VALUES) + prediction)
        segments, areas = find_segments(codes)
        doubt = 1 - np.bincount(segments.ravel(), belief.ravel()) / areas
        doubt[segments[prediction == label]] = -1
        doubt[areas < (self.least if self.least is not None else label.size / SIZE_UNIT)] = -1
        for number in np.argsort(-doubt, kind="stable")[: self.most].tolist():
            entry = float(doubt[number]), -place, -number
            if doubt[number] < 0 or (len(self._heap) == self.most and entry < self._heap[0][:3]):
                break
            inside = segments == number
            pair = int(label[inside][0]), int(prediction[inside][0])
            self._push((*entry, _cut(entry[0], inside, place, pair, label_map[0].cpu().numpy())))

    def add(self, regions: Iterable[Region]) -> None:
        """Regions of frames that another process saw."""
        for number, region in enumerate(regions):
            self._push((region.confidence, -region.place, -number, region))

    def best(self) -> list[Region]:
        """The queue so far, in order."""
        return [entry[3] for entry in sorted(self._heap, reverse=True)]

    def _push(self, entry: Entry) -> None:
        (heapq.heappush if len(self._heap) < self.most else heapq.heappushpop)(self._heap, entry)


def _cut(
    confidence: float, inside: npt.NDArray[np.bool_], place: int, pair: tuple[int, int], label_map: Bytes
) -> Region:
    """inside: (H, W), the pixels of the region."""
    found = np.nonzero(inside)
    (top, left), (bottom, right) = ([int(end(places)) for places in found] for end in (np.min, np.max))
    around = _AROUND * max(bottom - top + 1, right - left + 1)
    rows, columns = _widen(top, bottom, around, inside.shape[0]), _widen(left, right, around, inside.shape[1])
    mask = inside[top : bottom + 1, left : right + 1].copy()
    return Region(
        confidence, len(found[0]), place, top, left, *pair, mask, rows, columns, label_map[rows, columns].copy()
    )


def _widen(first: int, last: int, around: float, length: int) -> slice:
    """A stretch of what is `length` long, with so much on both sides, and _SMALLEST if that fits."""
    around = max(around, (_SMALLEST - (last - first + 1)) / 2)
    start = max(0, min(round(first - around), length - _SMALLEST))
    return slice(start, min(length, max(round(last + 1 + around), start + _SMALLEST)))
