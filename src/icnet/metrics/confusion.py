"""Every score of a segmentation from one confusion matrix over the whole split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from icnet.metrics.pixels import VALUES, check_pair, unknown_class


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
    check_pair(label_map, labels, num_classes)
    counts = count_codes(labels.to(torch.int64) * VALUES + label_map.to(torch.int64), VALUES**2).reshape(VALUES, VALUES)
    counts[ignore_index] = 0
    beyond = counts.clone()
    beyond[:num_classes, :num_classes] = 0
    if beyond.any():
        raise unknown_class(int(beyond.nonzero().max()), num_classes)
    return counts[:num_classes, :num_classes].clone()


def count_codes(codes: Tensor, values: int) -> Tensor:
    """(values,) int64: how often each of 0..values-1 occurs.

    On the CPU by NumPy: torch splits the work among threads, and waits for each of them when the cores are busy.
    """
    if codes.is_cpu:
        return torch.from_numpy(np.bincount(codes.flatten().numpy(), minlength=values))
    return torch.bincount(codes.flatten(), minlength=values)


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


def category_iou(matrix: Tensor, categories: Sequence[str]) -> dict[str, float]:
    """IoU of each category, in the order in which they are first named; NaN where its union is empty.

    categories: one per class. As in the Cityscapes scripts, a pixel is right when its class is one of the category; the
    categories' classes that are not evaluated (guard rail, caravan) are ignored pixels.
    """
    names = list(dict.fromkeys(categories))
    member = torch.tensor([[category == name for category in categories] for name in names], dtype=torch.int64)
    grouped = member @ matrix.cpu() @ member.T
    return dict(zip(names, iou_per_class(grouped).tolist(), strict=True))


def mean_score(scores: Mapping[str, float]) -> float:
    """Mean of the scores that are defined (not NaN); NaN where none is."""
    defined = [score for score in scores.values() if not math.isnan(score)]
    return sum(defined) / len(defined) if defined else math.nan


def summarize(matrix: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """The scores of results.json, as ratios in 0..1; None for a class whose union is empty."""
    ious = iou_per_class(matrix).tolist()
    return {
        "miou": plain(mean_iou(matrix)),
        "pixel_accuracy": plain(pixel_accuracy(matrix)),
        "mean_accuracy": plain(mean_accuracy(matrix)),
        "frequency_weighted_iou": plain(frequency_weighted_iou(matrix)),
        "iou": {name: plain(iou) for name, iou in zip(names, ious, strict=True)},
    }


def plain(value: float) -> float | None:
    """JSON has no NaN."""
    return None if value != value else value
