"""How well the outlines of the classes are met: boundary IoU and boundary F-score."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics import Metric

from icnet.metrics.pixels import NONE, VALUES, Bytes, split_images

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


class BoundaryResult(NamedTuple):
    """Scores (classes,) float64 in 0..1; NaN where a class has no boundary in labels or predictions."""

    iou: Tensor
    f_score: Tensor

    @property
    def mean_iou(self) -> float:
        """Over the classes where it is defined."""
        return float(self.iou.nanmean())

    @property
    def mean_f_score(self) -> float:
        """Over the classes where it is defined."""
        return float(self.f_score.nanmean())


class BoundaryScores(Metric):
    """Boundary IoU and boundary F-score of each class: pixels are counted over the whole data set, then divided.

    Boundary IoU (Cheng et al., Boundary IoU, CVPR 2021): IoU of the pixels of a class that have a pixel of another class,
    or the outside of the image, within d rows and columns of them. d is `iou_share` of the image's diagonal, rounded, and at
    least 1; 2 % as in the authors' code (46 pixels at 1024x2048).

    Boundary F-score (Csurka et al., What is a good evaluation measure for semantic segmentation?, BMVC 2013): harmonic mean
    of the share of the predicted boundary pixels of a class that have a labelled one of that class within the tolerance,
    and the reverse. A boundary pixel has one of another class above, below, left or right of it. The tolerance is `f_share`
    of the diagonal, rounded up as in the DAVIS code, in Euclidean distance; 0.75 % as Csurka et al. take (18 pixels at
    1024x2048).

    Ignored pixels are cut out of labels and predictions alike. They count as part of every class, so that the line between
    a class and what is ignored is no boundary.
    """

    full_state_update = False
    bands: Tensor
    matched: Tensor
    outlines: Tensor

    def __init__(
        self, num_classes: int, ignore_index: int = 255, iou_share: float = 0.02, f_share: float = 0.0075, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.iou_share, self.f_share = iou_share, f_share
        # pixels in the bands of predictions, of labels, and in both as one class
        self.add_state("bands", torch.zeros(3, num_classes, dtype=torch.int64), dist_reduce_fx="sum")
        # boundary pixels of the predictions and of the labels, and those of them that are met
        for state in ("outlines", "matched"):
            self.add_state(state, torch.zeros(2, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, label_map: Tensor, labels: Tensor) -> None:
        """label_map: predicted classes; labels: true ones; same shape (N, H, W) or (H, W), integers."""
        for prediction, label in split_images(label_map, labels, self.num_classes, self.ignore_index):
            diagonal = math.hypot(*label.shape)
            self._add_bands(prediction, label, max(1, round(self.iou_share * diagonal)))
            self._add_outlines(prediction, label, max(1, math.ceil(self.f_share * diagonal)))

    def compute(self) -> BoundaryResult:
        """The scores so far."""
        predicted, labelled, both = self.bands.to(torch.float64)
        union = predicted + labelled - both
        share = self.matched.to(torch.float64) / self.outlines
        precision, recall = share.nan_to_num(0)  # a side without boundary has none that is met
        f_score = torch.where(precision + recall > 0, 2 * precision * recall / (precision + recall), 0.0)
        return BoundaryResult(
            iou=torch.where(union > 0, both / union, torch.nan),
            f_score=torch.where(self.outlines.sum(0) > 0, f_score, torch.nan),
        )

    def _add_bands(self, prediction: Bytes, label: Bytes, distance: int) -> None:
        predicted, labelled = find_band(prediction, distance), find_band(label, distance)
        both = predicted & labelled & (prediction == label)
        counted = (prediction[predicted], label[labelled], label[both])
        self.bands += torch.stack([self._per_class(classes) for classes in counted])

    def _add_outlines(self, prediction: Bytes, label: Bytes, tolerance: int) -> None:
        pair = outline(prediction), outline(label)
        for side, (own, other) in enumerate((pair, pair[::-1])):
            self.outlines[side] += self._per_class(own[own != NONE])
            self.matched[side] += self._per_class(find_matches(own, other, tolerance))

    def _per_class(self, classes: Bytes) -> Tensor:
        return torch.from_numpy(np.bincount(classes, minlength=self.num_classes)).to(self.device)


def find_band(pixels: Bytes, distance: int) -> Mask:
    """Whether another class, or the outside of the image, lies within `distance` rows and columns of each pixel (H, W).

    NONE is neutral. For all classes at once: the smallest and the largest class around a pixel are both its own elsewhere.
    """
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    least = cv2.erode(pixels, square)  # NONE is the largest value
    most = cv2.dilate(np.where(pixels == NONE, np.uint8(0), pixels), square)
    band = (least != pixels) | (most != pixels)
    band[:distance] = band[-distance:] = True
    band[:, :distance] = band[:, -distance:] = True
    return band & (pixels != NONE)


def find_edges(pixels: Bytes) -> Mask:
    """Whether a pixel has one of another class above, below, left or right of it; NONE is no class."""
    edges = np.zeros(pixels.shape, np.bool_)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        a, b = pixels[here], pixels[there]
        differ = (a != b) & (a != NONE) & (b != NONE)
        edges[here] |= differ
        edges[there] |= differ
    return edges


def outline(pixels: Bytes) -> Bytes:
    """The class of each boundary pixel, NONE elsewhere."""
    return np.where(find_edges(pixels), pixels, np.uint8(NONE))


def find_matches(own: Bytes, other: Bytes, tolerance: int) -> Bytes:
    """The classes of those pixels of an outline that have one of their class within the tolerance on the other outline.

    Looks at the places around all pixels at once, the nearest first; a pixel that is met is not looked at again.
    """
    rows, columns = np.nonzero(own != NONE)
    rows, columns = rows[hope := _may_match(rows, columns, own, other, tolerance)], columns[hope]
    classes = own[rows, columns]
    padded = np.pad(other, tolerance, constant_values=NONE)
    width = padded.shape[1]
    places = (rows + tolerance) * width + columns + tolerance
    flat, met = padded.ravel(), []
    for offset in _disc(tolerance, width):
        found = flat[places + offset] == classes
        if found.any():
            met.append(classes[found])
            places, classes = places[~found], classes[~found]
    return np.concatenate([*met, classes[:0]])


def _may_match(rows: Ints, columns: Ints, own: Bytes, other: Bytes, tolerance: int) -> Mask:
    """Whether the class of each pixel is on the other outline in its square of `tolerance` pixels, or one beside it.

    For speed alone: most of the pixels that are never met need not be looked at around all of the disc.
    """
    squares = np.zeros((own.shape[0] // tolerance + 3, own.shape[1] // tolerance + 3, VALUES), np.bool_)
    there = np.nonzero(other != NONE)
    squares[there[0] // tolerance + 1, there[1] // tolerance + 1, other[there]] = True
    around = squares[:-2] | squares[1:-1] | squares[2:]
    around = around[:, :-2] | around[:, 1:-1] | around[:, 2:]
    return around[rows // tolerance, columns // tolerance, own[rows, columns]]


def _disc(radius: int, width: int) -> list[int]:
    """Steps in a flat image of `width` columns to the pixels of a disc, from its middle outwards."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    squared = (y * y + x * x).ravel()
    order = np.argsort(squared, kind="stable")
    return (y * width + x).ravel()[order[squared[order] <= radius * radius]].tolist()
