from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.metrics.scenes import Scene, load_classes, patchwork, street
from torch import Tensor

from icnet.metrics.confusion import ConfusionMatrix
from icnet.metrics.segments import ConfusionByDistance, CountsBySize, find_distance_band, find_sizes, iou_by_size

CITYSCAPES = load_classes("cityscapes")


def scenes() -> list[Scene]:
    return [street(CITYSCAPES, 1), patchwork(CITYSCAPES, 2), patchwork(CITYSCAPES, 3, (61, 97))]


def confusion(pairs: list[Scene]) -> Tensor:
    metric = ConfusionMatrix(19)
    for scene in pairs:
        metric.update(scene.prediction, scene.labels)
    return metric.compute()


def test_the_sizes_together_are_the_confusion_matrix() -> None:
    metric = CountsBySize(19)
    for scene in scenes():
        metric.update(scene.prediction, scene.labels)
    counts, matrix = metric.compute(), confusion(scenes())
    assert counts.dtype == torch.int64
    hits, misses, false = counts.sum(0)
    assert torch.equal(hits, matrix.diagonal())
    assert torch.equal(hits + misses, matrix.sum(1))
    assert torch.equal(hits + false, matrix.sum(0))
    assert (counts.sum((1, 2)) > 0).all()


def test_the_distances_together_are_the_confusion_matrix() -> None:
    metric = ConfusionByDistance(19)
    for scene in scenes():
        metric.update(scene.prediction, scene.labels)
    assert torch.equal(metric.compute().sum(0), confusion(scenes()))


def test_segments_are_those_that_scipy_labels_class_by_class() -> None:
    for scene in scenes():
        pixels = scene.labels.numpy()
        areas = np.zeros(pixels.shape)
        for value in np.unique(pixels):
            segments, count = ndimage.label(pixels == value)
            own = ndimage.sum_labels(pixels == value, segments, range(count + 1))[segments]
            areas[pixels == value] = own[pixels == value]
        share = areas / pixels.size
        expected = sum((share >= limit / 2048).astype(int) for limit in (1, 9, 81))
        assert (find_sizes(pixels) == expected).all()


def test_sizes_by_hand() -> None:
    """64x128 pixels: the limits are 4, 36 and 324. A car of 2x2 and one of 6x6 on a road; one pixel of road is
    predicted as car."""
    labels = torch.zeros(64, 128, dtype=torch.uint8)
    labels[10:12, 10:12] = 1
    labels[30:36, 30:36] = 1
    prediction = labels.clone()
    prediction[10, 10], prediction[50, 100] = 0, 1
    metric = CountsBySize(2)
    metric.update(prediction, labels)
    hits, misses, false = metric.compute().unbind(1)
    assert hits[:, 1].tolist() == [0, 3, 36, 0]
    assert misses[:, 1].tolist() == [0, 1, 0, 0]
    assert false[:, 1].tolist() == [1, 0, 0, 0]
    road = 64 * 128 - 40
    assert hits[:, 0].tolist() == [0, 0, 0, road - 1]
    assert false[:, 0].tolist() == [0, 0, 0, 1]  # the missed pixel of the small car joins the large road
    ious = iou_by_size(metric.compute())
    assert ious[:3, 1].tolist() == [0, 3 / 4, 1]
    assert ious[3, 0] == (road - 1) / (road + 1)
    assert ious[:3, 0].isnan().all()


def test_segments_touch_by_their_sides_and_not_by_their_corners() -> None:
    pixels = np.zeros((64, 128), np.uint8)
    pixels[0:2, 0:2] = pixels[2:3, 2:5] = 1  # 4 and 3 pixels: the limit is 4
    assert find_sizes(pixels)[0, 0] == 1
    assert find_sizes(pixels)[2, 2] == 0
    pixels[1, 2] = 1
    assert find_sizes(pixels)[2, 4] == 1


@pytest.mark.parametrize("number", range(3))
def test_bands_are_those_of_the_exact_distance(number: int) -> None:
    pixels = scenes()[number].labels.numpy()
    edges = np.zeros(pixels.shape, np.bool_)
    for value in np.unique(pixels[pixels != 255]):
        edges |= (pixels == value) & ndimage.binary_dilation((pixels != value) & (pixels != 255))
    distance = ndimage.distance_transform_edt(~edges)
    expected = sum((distance > limit).astype(int) for limit in (2, 4, 8, 16, 32))
    assert (find_distance_band(pixels) == expected).all()


def test_distances_by_hand() -> None:
    """An edge between columns 49 and 50 of 100: both have distance 0, so 2 * 3 columns are within 2 pixels."""
    labels = torch.zeros(10, 100, dtype=torch.uint8)
    labels[:, 50:] = 1
    metric = ConfusionByDistance(2)
    metric.update(torch.zeros_like(labels), labels)
    assert metric.compute()[:, 0, 0].tolist() == [30, 20, 40, 80, 160, 170]
    assert metric.compute()[:, 1, 0].tolist() == [30, 20, 40, 80, 160, 170]
    assert metric.compute()[:, :, 1].sum() == 0


def test_without_a_boundary_all_pixels_are_far_from_it() -> None:
    metric = ConfusionByDistance(2)
    metric.update(torch.zeros(50, 50, dtype=torch.uint8), torch.zeros(50, 50, dtype=torch.uint8))
    assert metric.compute()[:, 0, 0].tolist() == [0, 0, 0, 0, 0, 2500]


@pytest.mark.parametrize("metric", [CountsBySize(3), ConfusionByDistance(3)])
def test_ignored_pixels_and_what_is_predicted_there_count_nowhere(metric: CountsBySize | ConfusionByDistance) -> None:
    labels = torch.randint(3, (2, 40, 60), generator=torch.Generator().manual_seed(0))
    labels[:, 10:20] = 255
    prediction = torch.zeros_like(labels)
    metric.update(prediction, labels)
    first = metric.compute().clone()
    metric.reset()
    metric.update(torch.where(labels == 255, 77, prediction), labels)
    assert torch.equal(metric.compute(), first)
    metric.reset()
    metric.update(prediction, torch.full_like(labels, 255))
    assert metric.compute().sum() == 0
