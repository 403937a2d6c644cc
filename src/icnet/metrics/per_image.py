"""What is counted for each image by itself, for what needs to know how it varies from image to image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from icnet.metrics.confusion import count_pairs
from icnet.metrics.rows import RowMetric


class PerImageConfusion(RowMetric):
    """Counts of pixels by (label, prediction) for each image; their sum is what ConfusionMatrix counts.

    `compute` returns (images, classes, classes) int64 in the order of the data set, whatever the number of processes.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(width=1 + num_classes**2, **kwargs)
        self.num_classes, self.ignore_index = num_classes, ignore_index

    def update(self, label_map: Tensor, labels: Tensor, index: Tensor | int) -> None:
        """label_map, labels: as ConfusionMatrix takes them; index: the place of each image in the data set, (N,) or one."""
        if label_map.ndim == 2:
            label_map, labels = label_map[None], labels[None]
        places = torch.as_tensor(index).reshape(-1)
        if len(places) != len(label_map):
            raise ValueError(f"{len(places)} places were given for {len(label_map)} images: give one for each")
        for place, prediction, label in zip(places.tolist(), label_map, labels, strict=True):
            matrix = count_pairs(prediction, label, self.num_classes, self.ignore_index)
            self.append(torch.cat((matrix.new_tensor([place]), matrix.flatten()))[None])

    def compute(self) -> Tensor:
        """The matrices so far, by ascending place."""
        return _by_place(self.table()).reshape(-1, self.num_classes, self.num_classes)


class PerImageDifference(RowMetric):
    """Counts of pixels at which two label maps of an image differ, and of all pixels; labels play no part.

    `compute` returns (images, 2) int64 in the order of the data set.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(width=3, **kwargs)

    def update(self, label_map: Tensor, other: Tensor, place: int) -> None:
        """label_map, other: (1, H, W) train ids; place: of the image in the data set."""
        differing = int((label_map != other).sum())
        self.append(torch.tensor([[place, differing, label_map.numel()]]))

    def compute(self) -> Tensor:
        """The counts so far, by ascending place."""
        return _by_place(self.table())


def _by_place(table: Tensor) -> Tensor:
    """Rows without the place that they begin with, in its order."""
    places, order = table[:, 0].sort()
    if (twice := places[1:][places.diff() == 0]).numel():
        raise ValueError(f"image {int(twice[0])} of the data set was counted twice: let each process see other images")
    return table[order, 1:]
