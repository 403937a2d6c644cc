from __future__ import annotations

import pytest
import torch

from icnet.metrics.confusion import ConfusionMatrix
from icnet.metrics.per_image import PerImageConfusion, PerImageDifference

GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.randint(3, (5, 8, 9), generator=GENERATOR).where(torch.rand(5, 8, 9, generator=GENERATOR) < 0.9, 255)
PREDICTIONS = torch.randint(3, (5, 8, 9), generator=GENERATOR)


def matrix_of(image: int) -> list[list[int]]:
    metric = ConfusionMatrix(3)
    metric.update(PREDICTIONS[image], LABELS[image])
    return metric.compute().tolist()


def test_each_image_has_its_matrix_in_the_order_of_the_data_set() -> None:
    metric = PerImageConfusion(3)
    for images in ([4], [0, 2], [1, 3]):
        metric.update(PREDICTIONS[images], LABELS[images], torch.tensor(images))
    assert metric.compute().tolist() == [matrix_of(image) for image in range(5)]


def test_their_sum_is_the_confusion_matrix() -> None:
    metric, whole = PerImageConfusion(3), ConfusionMatrix(3)
    metric.update(PREDICTIONS, LABELS, torch.arange(5))
    whole.update(PREDICTIONS, LABELS)
    assert torch.equal(metric.compute().sum(0), whole.compute())
    assert metric.compute().dtype == torch.int64


def test_one_image_comes_without_a_batch() -> None:
    metric = PerImageConfusion(3)
    metric.update(PREDICTIONS[2], LABELS[2], 7)
    assert metric.compute().tolist() == [matrix_of(2)]


def test_an_image_that_was_counted_twice_is_named() -> None:
    metric = PerImageConfusion(3)
    metric.update(PREDICTIONS, LABELS, torch.tensor([0, 1, 2, 3, 1]))
    with pytest.raises(ValueError, match=r"image 1 .* twice"):
        metric.compute()


def test_every_image_needs_its_place() -> None:
    with pytest.raises(ValueError, match=r"1 places .* 5 images"):
        PerImageConfusion(3).update(PREDICTIONS, LABELS, 0)


def test_a_new_epoch_starts_from_nothing() -> None:
    metric = PerImageConfusion(3)
    for _ in range(2):
        metric.reset()
        metric.update(PREDICTIONS[:2], LABELS[:2], torch.tensor([0, 1]))
        assert metric.compute().tolist() == [matrix_of(0), matrix_of(1)]


def test_differences_are_counted_by_image_whatever_its_labels() -> None:
    metric = PerImageDifference()
    first, second = torch.tensor([[[0, 1], [2, 2]]]), torch.tensor([[[0, 1], [1, 1]]])
    metric.update(first, second, 1)
    metric.update(first, first, 0)
    assert metric.compute().tolist() == [[0, 4], [2, 4]]
