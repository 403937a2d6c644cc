from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from icnet.metrics.bootstrap import bootstrap_miou, paired_difference
from icnet.metrics.confusion import mean_iou


def images(seed: int, count: int, classes: int = 4) -> Tensor:
    """Matrices of images that differ in how hard they are."""
    rng = np.random.default_rng(seed)
    right = rng.uniform(0.2, 0.95, size=(count, 1, 1))
    share = np.where(np.eye(classes, dtype=bool), right, (1 - right) / (classes - 1))
    return torch.from_numpy(rng.poisson(1000 * share * rng.uniform(0.5, 2, size=(count, classes, 1))))


def test_the_interval_of_two_images_by_hand() -> None:
    """Images with IoU 1 and 0 in both classes are drawn as (2, 0), (1, 1), (0, 2) in 1/4, 1/2 and 1/4 of all draws."""
    matrices = torch.tensor([[[10, 0], [0, 10]], [[0, 10], [10, 0]]])
    interval = bootstrap_miou(matrices)
    assert interval.value == mean_iou(matrices.sum(0)) == 1 / 3
    assert (interval.low, interval.high) == (0, 1)


def test_the_interval_is_that_of_drawing_images_one_by_one() -> None:
    matrices = images(0, 40)
    rng = np.random.default_rng(1)
    replicates = [mean_iou(matrices[rng.integers(40, size=40)].sum(0)) for _ in range(2000)]
    low, high = np.percentile(replicates, [2.5, 97.5])
    interval = bootstrap_miou(matrices, replicates=2000)
    assert interval.value == pytest.approx(mean_iou(matrices.sum(0)))
    assert interval.low == pytest.approx(low, abs=0.08 * (high - low))
    assert interval.high == pytest.approx(high, abs=0.08 * (high - low))


def test_equal_images_leave_nothing_open() -> None:
    matrices = images(0, 1).expand(20, 4, 4)
    assert bootstrap_miou(matrices).low == bootstrap_miou(matrices).high == pytest.approx(mean_iou(matrices[0]))


def test_a_class_that_a_replicate_does_not_see_is_left_out_of_its_mean() -> None:
    matrices = torch.tensor([[[4, 0], [0, 0]], [[4, 0], [0, 4]]])  # the second class is in one image alone
    assert bootstrap_miou(matrices) == (1, 1, 1)


def test_images_without_a_label_do_not_spoil_the_interval() -> None:
    matrices = torch.cat((torch.zeros(1, 2, 2, dtype=torch.int64), torch.tensor([[[3, 1], [1, 3]]])))
    assert bootstrap_miou(matrices) == pytest.approx((0.6, 0.6, 0.6))
    assert all(math.isnan(bound) for bound in bootstrap_miou(matrices[:1]))


def test_the_same_seed_gives_the_same_interval() -> None:
    assert bootstrap_miou(images(0, 30), seed=1) == bootstrap_miou(images(0, 30), seed=1)
    assert bootstrap_miou(images(0, 30), seed=1) != bootstrap_miou(images(0, 30), seed=2)


def test_networks_are_compared_on_the_same_draws() -> None:
    """b is a with 5 % of the pixels of each image taken from the hits: how hard an image is cancels."""
    a = images(0, 50)
    lost = torch.diag_embed(a.diagonal(dim1=1, dim2=2) // 20)
    b = a - lost + lost.roll(1, dims=2)
    difference = paired_difference(a, b)
    assert difference.value == pytest.approx(mean_iou(a.sum(0)) - mean_iou(b.sum(0)))
    assert 0 < difference.low < difference.value < difference.high
    alone = bootstrap_miou(a)
    assert difference.high - difference.low < (alone.high - alone.low) / 4
    assert paired_difference(b, a) == pytest.approx((-difference.value, -difference.high, -difference.low))
    assert paired_difference(a, a) == (0, 0, 0)


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"3 images .* 4"):
        paired_difference(images(0, 3), images(0, 4))


def test_no_image_gives_no_interval() -> None:
    with pytest.raises(ValueError, match="no image"):
        bootstrap_miou(torch.zeros(0, 2, 2, dtype=torch.int64))
