"""The confusion matrix of each image, for what needs to know how scores vary from image to image."""

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
        table = self.table()
        places, order = table[:, 0].sort()
        if (twice := places[1:][places.diff() == 0]).numel():
            raise ValueError(
                f"image {int(twice[0])} of the data set was counted twice: let each process see other images"
            )
        return table[order, 1:].reshape(-1, self.num_classes, self.num_classes)
