from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from tests.metrics.scenes import load_classes, patchwork, street
from torch import Tensor

from icnet.metrics.boundary import BoundaryResult, BoundaryScores

Maps = list[tuple[Tensor, Tensor]]
Mask = npt.NDArray[Any]
CITYSCAPES = load_classes("cityscapes")


def measure(pairs: Maps, classes: int, **settings: float) -> BoundaryResult:
    metric = BoundaryScores(classes, **settings)
    for prediction, labels in pairs:
        metric.update(prediction, labels)
    return metric.compute()


def halves(height: int, width: int, edge: int) -> Tensor:
    """Class 0 left of a column, class 1 from there on."""
    labels = torch.zeros(height, width, dtype=torch.uint8)
    labels[:, edge:] = 1
    return labels


def slow_band(own: Mask, ignored: Mask, distance: int) -> Mask:
    """As in the code of Cheng et al.: the mask without what is left of it after eroding it in an image framed by zeros."""
    whole = cv2.copyMakeBorder((own | ignored).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(whole, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return own & (eroded == 0)


def slow_iou(pairs: Maps, number: int, share: float) -> float:
    hits = union = 0
    for prediction, labels in pairs:
        ignored = labels.numpy() == 255
        distance = max(1, round(share * math.hypot(*labels.shape)))
        a, b = (slow_band((maps.numpy() == number) & ~ignored, ignored, distance) for maps in (prediction, labels))
        hits, union = hits + (a & b).sum(), union + (a | b).sum()
    return hits / union if union else math.nan


def slow_f_score(pairs: Maps, number: int, share: float) -> float:
    met, outlines = [0, 0], [0, 0]
    for prediction, labels in pairs:
        ignored = labels.numpy() == 255
        tolerance = math.ceil(share * math.hypot(*labels.shape))
        masks = [(maps.numpy() == number) & ~ignored for maps in (prediction, labels)]
        lines = [mask & ndimage.binary_dilation(~mask & ~ignored) for mask in masks]
        for side in (0, 1):
            outlines[side] += lines[side].sum()
            if lines[1 - side].any():
                met[side] += (lines[side] & (ndimage.distance_transform_edt(~lines[1 - side]) <= tolerance)).sum()
    if not sum(outlines):
        return math.nan
    precision, recall = (m / o if o else 0.0 for m, o in zip(met, outlines, strict=True))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def noise(seed: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Patches of 4 classes and ignored ones, of some pixels each."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(n) // 5 for n in size)
    coarse = rng.integers(5, size=(size[0], size[1]), dtype=np.uint8)
    labels = coarse[np.ix_(rows, columns)]
    labels[labels == 4] = 255
    prediction = np.where(rng.random(size) < 0.9, np.roll(labels, 1, 1) % 4, rng.integers(4, size=size))
    return torch.from_numpy(prediction), torch.from_numpy(labels)


def scene(kind: Any, seed: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    made = kind(CITYSCAPES, seed, size)
    return made.prediction, made.labels


@pytest.mark.parametrize("shares", [(0.02, 0.0075), (0.05, 0.04), (0.001, 0.001)])
@pytest.mark.parametrize(
    "pairs",
    [
        [noise(1, (31, 47)), noise(2, (20, 60))],
        [scene(street, 3, (96, 192)), scene(patchwork, 4, (97, 111))],
    ],
    ids=["noise", "scenes"],
)
def test_all_classes_at_once_give_what_one_after_the_other_gives(pairs: Maps, shares: tuple[float, float]) -> None:
    result = measure(pairs, 19, iou_share=shares[0], f_share=shares[1])
    assert result.iou.tolist() == pytest.approx([slow_iou(pairs, c, shares[0]) for c in range(19)], nan_ok=True)
    assert result.f_score.tolist() == pytest.approx([slow_f_score(pairs, c, shares[1]) for c in range(19)], nan_ok=True)


def test_boundary_iou_by_hand() -> None:
    """20x20 in two halves, d = 2: class 0 has 4 rows of 10 and 16 rows of 2 + 2 pixels in its band; the frame of
    a prediction that is all class 0 has 20 * 20 - 16 * 16 = 144, 72 of them in that band."""
    labels = halves(20, 20, 10)
    result = measure([(torch.zeros_like(labels), labels)], 3, iou_share=2 / math.hypot(20, 20))
    assert result.iou[:2].tolist() == pytest.approx([72 / (104 + 144 - 72), 0.0])
    assert result.iou[2].isnan()
    assert result.mean_iou == pytest.approx((72 / 176 + 0) / 2)


@pytest.mark.parametrize(("shift", "f_score"), [(0, 1.0), (3, 1.0), (4, 0.0)])
def test_an_outline_is_met_up_to_the_tolerance(shift: int, f_score: float) -> None:
    labels, prediction = halves(40, 40, 20), halves(40, 40, 20 + shift)
    result = measure([(prediction, labels)], 2, f_share=3 / math.hypot(40, 40))
    assert result.f_score.tolist() == [f_score, f_score]
    assert result.mean_f_score == f_score


def test_the_tolerance_is_a_disc() -> None:
    """Two pixels, 3 down and 4 right of each other: 5 pixels apart."""
    labels, prediction = torch.zeros(2, 30, 30, dtype=torch.uint8)
    labels[10, 10], prediction[13, 14] = 1, 1
    for tolerance, f_score in ((5, 1.0), (4, 0.0)):
        assert measure([(prediction, labels)], 2, f_share=tolerance / math.hypot(30, 30)).f_score[1] == f_score


def test_an_outline_of_another_class_is_not_met() -> None:
    labels, prediction = halves(40, 40, 20), halves(40, 40, 20)
    prediction[prediction == 1] = 2
    assert measure([(prediction, labels)], 3).f_score.tolist() == [1.0, 0.0, 0.0]


def test_the_line_to_what_is_ignored_is_no_boundary() -> None:
    labels = halves(40, 60, 30)
    labels[:, 30:] = 255
    result = measure([(halves(40, 60, 20), labels)], 3, iou_share=0.05)
    assert result.f_score.tolist() == [
        0.0,
        0.0,
        pytest.approx(math.nan, nan_ok=True),
    ]  # the predicted line at column 20
    perfect = measure([(torch.zeros_like(labels), labels)], 3, iou_share=0.05)
    assert perfect.f_score.isnan().all()
    assert perfect.iou[0] == 1


def test_what_is_predicted_under_ignored_pixels_changes_nothing() -> None:
    labels = halves(40, 60, 30)
    labels[10:20, 25:35] = 255
    prediction = halves(40, 60, 32)
    other = torch.where(labels == 255, 77, prediction)
    first, second = measure([(prediction, labels)], 2), measure([(other, labels)], 2)
    assert torch.equal(first.iou, second.iou)
    assert torch.equal(first.f_score, second.f_score)


def test_nothing_labelled_gives_no_score() -> None:
    result = measure([(halves(40, 40, 20), torch.full((40, 40), 255))], 2)
    assert result.iou.isnan().all()
    assert result.f_score.isnan().all()
    assert math.isnan(result.mean_iou)


def test_the_distances_are_shares_of_the_diagonal() -> None:
    """1024x2048 has a diagonal of 2290 pixels: 46 are 2 %, 18 are 0.75 % rounded up."""
    labels, shifted, beyond = (halves(1024, 2048, 1024 + shift) for shift in (0, 18, 19))
    assert measure([(shifted, labels)], 2).f_score.tolist() == [1, 1]
    assert measure([(beyond, labels)], 2).f_score.tolist() == [0, 0]
    frame = 1024 * 1024 - (1024 - 92) * (1024 - 92)  # the band of each half: all four sides of its square
    overlap = frame - (1024 - 92) * 46  # one side is missing where all is one class
    whole = 1024 * 2048 - (1024 - 92) * (2048 - 92)
    result = measure([(torch.zeros_like(labels), labels)], 2)
    assert result.iou[0] == pytest.approx(overlap / (frame + whole - overlap))


def test_batches_count_as_their_images() -> None:
    pairs = [noise(seed, (30, 40)) for seed in range(4)]
    batch = torch.stack([p for p, _ in pairs]), torch.stack([g for _, g in pairs])
    assert torch.equal(measure([batch], 4).f_score, measure(pairs, 4).f_score)


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"class 3 .* only 3 classes"):
        measure([(torch.full((40, 40), 3), torch.zeros(40, 40, dtype=torch.uint8))], 3)
