"""Every score of a segmentation from one confusion matrix over the whole split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ConfusionMatrix(Metric):
    """Counts of pixels by (label, prediction), int64 and exact, summed over batches and processes.

    `compute` returns (classes, classes); rows are labels, columns predictions. Pixels whose label is `ignore_index` count
    nowhere.
    """

    full_state_update = False
    matrix: Tensor

    def __init__(self, num_classes: int, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.add_state("matrix", torch.zeros(num_classes, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, label_map: Tensor, labels: Tensor) -> None:
        """label_map: predicted classes; labels: true ones; same shape (N, H, W) or (H, W), integers."""
        self.matrix += count_pairs(label_map, labels, self.num_classes, self.ignore_index)

    def compute(self) -> Tensor:
        """The matrix so far."""
        return self.matrix


def count_pairs(label_map: Tensor, labels: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """(classes, classes) int64 counts by (label, prediction)."""
    if label_map.shape != labels.shape:
        raise ValueError(
            f"predictions are {tuple(label_map.shape)}, labels {tuple(labels.shape)}: the shapes must agree"
        )
    valid = labels != ignore_index
    pairs = torch.stack((labels[valid].to(torch.int64), label_map[valid].to(torch.int64)))
    if pairs.numel() and (largest := int(pairs.max())) >= num_classes:
        raise ValueError(
            f"class {largest} is among the labels or predictions, but there are only {num_classes} classes"
        )
    return torch.bincount(pairs[0] * num_classes + pairs[1], minlength=num_classes**2).reshape(num_classes, num_classes)


def iou_per_class(matrix: Tensor) -> Tensor:
    """(classes,) float64 intersection over union; NaN where a class is neither labelled nor predicted.

    As in the Cityscapes scripts a class that is predicted but nowhere labelled counts 0.
    """
    counts = matrix.to(torch.float64)
    hit = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - hit
    return torch.where(union > 0, hit / union, torch.nan)


def mean_iou(matrix: Tensor) -> float:
    """Mean IoU over the classes whose union is not empty; NaN where no pixel was counted."""
    return float(iou_per_class(matrix).nanmean())


def pixel_accuracy(matrix: Tensor) -> float:
    """Share of the labelled pixels that are right."""
    counts = matrix.to(torch.float64)
    return float(counts.diagonal().sum() / counts.sum())


def mean_accuracy(matrix: Tensor) -> float:
    """Mean over the labelled classes of the share of their pixels that are right."""
    counts = matrix.to(torch.float64)
    labelled = counts.sum(1)
    return float(torch.where(labelled > 0, counts.diagonal() / labelled, torch.nan).nanmean())


def frequency_weighted_iou(matrix: Tensor) -> float:
    """IoU averaged with the share of each class among the labels as its weight."""
    labelled = matrix.to(torch.float64).sum(1)
    return float((labelled * iou_per_class(matrix)).nansum() / labelled.sum())


def summarize(matrix: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """The scores of results.json, as ratios in 0..1; None for a class whose union is empty."""
    ious = iou_per_class(matrix).tolist()
    return {
        "miou": _plain(mean_iou(matrix)),
        "pixel_accuracy": _plain(pixel_accuracy(matrix)),
        "mean_accuracy": _plain(mean_accuracy(matrix)),
        "frequency_weighted_iou": _plain(frequency_weighted_iou(matrix)),
        "iou": {name: _plain(iou) for name, iou in zip(names, ious, strict=True)},
    }


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if value != value else value
