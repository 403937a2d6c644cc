from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.metrics.instances import InstanceIoU, InstanceScores

COLORS = [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)]
CLASSES = ClassTable(
    names=["road", "person", "rider", "car"],
    colors=COLORS,
    label_ids=[7, 24, 25, 26],
    categories=["flat", "human", "human", "vehicle"],
    instance_sizes={"person": 4, "rider": 10, "car": 8},
)


def score(prediction: list[int], labels: list[int], instances: list[int]) -> InstanceScores:
    metric = InstanceIoU(CLASSES)
    metric.update(*(torch.tensor([[pixels]]) for pixels in (prediction, labels, instances)))
    return metric.compute()


def test_a_small_instance_counts_as_much_as_a_large_one() -> None:
    """The person of 1 pixel is hit and weighs 4; of the one of 4 pixels, one is hit and weighs 1; one road pixel is
    taken for a person: (4 + 1) / (4 + 4 + 1)."""
    scores = score([1, 1, 0, 0, 0, 1], [1, 1, 1, 1, 1, 0], [24001, 24002, 24002, 24002, 24002, 7])
    assert scores.classes["person"] == pytest.approx(5 / 9)


def test_in_a_category_any_of_its_classes_is_a_hit() -> None:
    """A rider of 2 pixels, each weighs 5, is taken for a person and for road."""
    scores = score([1, 0], [2, 2], [25001, 25001])
    assert scores.classes == {"person": 0, "rider": 0, "car": pytest.approx(math.nan, nan_ok=True)}
    assert scores.categories == {"human": 5 / 10, "vehicle": pytest.approx(math.nan, nan_ok=True)}


def test_a_group_is_no_instance() -> None:
    assert math.isnan(score([3, 3], [3, 3], [26, 26]).classes["car"])


def test_instances_of_ignored_classes_do_not_count() -> None:
    assert math.isnan(score([3, 3], [255, 255], [29001, 29001]).classes["car"])


def test_the_order_of_the_instances_changes_no_digit() -> None:
    generator = torch.Generator().manual_seed(0)
    instances = 24000 + torch.randint(300, (6, 20, 30), generator=generator)
    labels = torch.ones_like(instances)
    prediction = torch.randint(2, labels.shape, generator=generator)
    scores = []
    for order in (range(6), reversed(range(6))):
        metric = InstanceIoU(CLASSES)
        for image in order:
            metric.update(prediction[image], labels[image], instances[image])
        scores.append(metric.compute().classes["person"])
    assert scores[0] == scores[1]


def test_a_batch_is_its_images() -> None:
    maps = torch.tensor([[[1, 0]], [[1, 1]]]), torch.ones(2, 1, 2, dtype=torch.uint8), torch.full((2, 1, 2), 24001)
    together, apart = InstanceIoU(CLASSES), InstanceIoU(CLASSES)
    together.update(*maps)
    for image in zip(*maps, strict=True):
        apart.update(*image)
    assert together.compute().classes["person"] == apart.compute().classes["person"] == 6 / 8


def test_maps_of_two_sizes_are_refused() -> None:
    small: Tensor = torch.zeros(4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match=r"instances are \(2, 2\).*\(4, 4\)"):
        InstanceIoU(CLASSES).update(small, small, torch.zeros(2, 2, dtype=torch.int32))


def test_without_categories_the_classes_are_scored_alone() -> None:
    metric = InstanceIoU(replace(CLASSES, categories=None))
    metric.update(torch.tensor([[1, 0]]), torch.tensor([[1, 1]]), torch.tensor([[24001, 24002]]))
    assert metric.compute().classes["person"] == 1 / 2
    assert metric.compute().categories == {}


def test_a_table_without_instances_is_refused() -> None:
    with pytest.raises(ValueError, match="instance_sizes"):
        InstanceIoU(ClassTable(names=["road", "car"], colors=COLORS[:2]))
