"""The instance-level IoU of the Cityscapes benchmark, in which a small instance counts as much as a large one."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.metrics.confusion import count_pairs
from icnet.metrics.rows import RowMetric

_PER_LABEL = 1000  # an instance's id is its label id times this, plus a count; a smaller id is a label id: no instance
_NO_CLASS = -1


class InstanceScores(NamedTuple):
    """iIoU by name, of the classes and of the categories that have instances; NaN where the denominator is 0."""

    classes: dict[str, float]
    categories: dict[str, float]


class InstanceIoU(RowMetric):
    """iIoU = wTP / (wTP + FP + wFN) as of the Cityscapes scripts (Cordts et al., CVPR 2016, section 4.1).

    The pixels of each labelled instance that are hit (wTP) and missed (wFN) are weighted with the average size of an
    instance of its class over its own size; false positives (FP) are plain pixels. In a category a pixel is hit by any
    class of the category. Only categories whose classes all have instances are scored.
    """

    confusion: Tensor

    def __init__(self, classes: ClassTable, ignore_index: int = 255, **kwargs: Any) -> None:
        super().__init__(width=4, **kwargs)  # class, pixels, pixels hit, pixels hit by a class of the category
        if not classes.instance_sizes:
            raise ValueError(
                "iIoU needs data.classes.instance_sizes: this table says of no class that it has instances"
            )
        self.names, self.sizes, self.ignore_index = list(classes.names), dict(classes.instance_sizes), ignore_index
        self.of_category = list(classes.categories or classes.names)
        self.categories = [
            category
            for category in dict.fromkeys(classes.categories or ())
            if all(name in self.sizes for name in self._members(category))
        ]
        self._class_of_label = np.full(256, _NO_CLASS, np.int16)
        self._category_of_class = np.full(256, _NO_CLASS, np.int16)
        for number, (name, label_id) in enumerate(zip(self.names, classes.ids, strict=True)):
            self._category_of_class[number] = self.of_category.index(self.of_category[number])
            if name in self.sizes:
                self._class_of_label[label_id] = number
        size = len(classes)
        self.add_state("confusion", torch.zeros(size, size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, label_map: Tensor, labels: Tensor, instances: Tensor) -> None:
        """label_map, labels: as ConfusionMatrix takes them; instances: of the same shape, as in *_gtFine_instanceIds.png."""
        self.confusion += count_pairs(label_map, labels, len(self.names), self.ignore_index)
        if instances.shape != labels.shape:
            raise ValueError(
                f"instances are {tuple(instances.shape)}, labels {tuple(labels.shape)}: the shapes must agree"
            )
        maps = (label_map, instances) if labels.ndim == 3 else (label_map[None], instances[None])
        for prediction, ids in zip(*(pixels.cpu().numpy() for pixels in maps), strict=True):
            self.append(torch.from_numpy(self._count(prediction, ids)))

    def compute(self) -> InstanceScores:
        """The scores so far."""
        rows = self.table().cpu().numpy()
        confusion = self.confusion.cpu().numpy()
        classes = {
            name: self._score(rows, confusion, [self.names.index(name)], hit=2)
            for name in self.names
            if name in self.sizes
        }
        categories = {
            category: self._score(rows, confusion, [self.names.index(n) for n in self._members(category)], hit=3)
            for category in self.categories
        }
        return InstanceScores(classes, categories)

    def _members(self, category: str) -> list[str]:
        return [name for name, its in zip(self.names, self.of_category, strict=True) if its == category]

    def _count(self, prediction: npt.NDArray[Any], ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The rows (instances, 4) of an image."""
        where = ids > _PER_LABEL
        present, predicted = ids[where].astype(np.intp), prediction[where]
        if not present.size:
            return np.zeros((0, 4), np.int64)
        class_of = self._class_of_label[np.minimum(np.arange(present.max() + 1) // _PER_LABEL, 255)]
        own = class_of[present]
        related = self._category_of_class[own] == self._category_of_class[predicted]
        counts = [np.bincount(present[hit], minlength=len(class_of)) for hit in (..., own == predicted, related)]
        found = np.flatnonzero((counts[0] > 0) & (class_of != _NO_CLASS))
        return np.stack([class_of[found], *(count[found] for count in counts)], axis=1).astype(np.int64)

    def _score(
        self, rows: npt.NDArray[np.int64], confusion: npt.NDArray[np.int64], members: list[int], hit: int
    ) -> float:
        """hit: the column of the rows that counts the hits. Exact sums do not depend on the order of the instances."""
        rows = rows[np.isin(rows[:, 0], members)]
        sizes = np.array([self.sizes.get(name, 0.0) for name in self.names])
        weights = sizes[rows[:, 0]] / rows[:, 1]
        hits, misses = math.fsum(weights * rows[:, hit]), math.fsum(weights * (rows[:, 1] - rows[:, hit]))
        false = confusion[:, members].sum() - confusion[np.ix_(members, members)].sum()
        total = hits + misses + float(false)
        return hits / total if total else math.nan
