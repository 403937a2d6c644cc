from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from icnet.errors import ICNetError
from icnet.metrics.confusion import ConfusionMatrix, category_iou, iou_per_class, mean_iou, mean_score, summarize

NAMES = ["road", "car", "sky"]


def matrix_of(labels: list[int], predictions: list[int], classes: int = 3) -> Tensor:
    metric = ConfusionMatrix(classes)
    metric.update(torch.tensor([predictions]), torch.tensor([labels]))
    return metric.compute()


def scores_of(labels: list[int], predictions: list[int]) -> dict[str, Any]:
    return summarize(matrix_of(labels, predictions), NAMES)


def test_rows_are_labels_and_columns_predictions() -> None:
    assert matrix_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_scores_by_hand() -> None:
    """Rows: road 3 + 1 as car, car 2 + 1 as road, sky 1: unions 5, 4, 1."""
    scores = scores_of([0, 0, 0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 0, 1, 1, 2])
    assert scores["iou"] == pytest.approx({"road": 3 / 5, "car": 2 / 4, "sky": 1.0})
    assert scores["miou"] == pytest.approx((0.6 + 0.5 + 1) / 3)
    assert scores["pixel_accuracy"] == pytest.approx(6 / 8)
    assert scores["mean_accuracy"] == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert scores["frequency_weighted_iou"] == pytest.approx(4 / 8 * 0.6 + 3 / 8 * 0.5 + 1 / 8 * 1)


def test_a_class_with_an_empty_union_is_none_and_left_out_of_the_mean() -> None:
    scores = scores_of([0, 0, 0, 1], [0, 0, 1, 1])
    assert scores["iou"]["sky"] is None
    assert scores["miou"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["mean_accuracy"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_predicted_but_nowhere_labelled_counts_0() -> None:
    scores = scores_of([0, 0, 0, 0], [0, 0, 0, 2])
    assert scores["iou"] == {"road": 0.75, "car": None, "sky": 0.0}
    assert scores["miou"] == pytest.approx(0.375)
    assert scores["mean_accuracy"] == pytest.approx(0.75)
    assert scores["frequency_weighted_iou"] == pytest.approx(0.75)


def test_a_class_that_is_labelled_but_never_found_counts_0() -> None:
    assert scores_of([0, 0, 1], [0, 0, 0])["iou"] == {"road": pytest.approx(2 / 3), "car": 0.0, "sky": None}


def test_ignored_pixels_count_nowhere_whatever_is_predicted() -> None:
    assert torch.equal(matrix_of([0, 255, 1, 255], [0, 1, 1, 2]), matrix_of([0, 1], [0, 1]))


@pytest.mark.parametrize("labels", [[], [255, 255]])
def test_where_nothing_is_labelled_every_score_is_none(labels: list[int]) -> None:
    scores = scores_of(labels, [0] * len(labels))
    assert scores == {
        "miou": None,
        "pixel_accuracy": None,
        "mean_accuracy": None,
        "frequency_weighted_iou": None,
        "iou": {"road": None, "car": None, "sky": None},
    }


def test_the_score_of_the_set_is_not_the_mean_over_its_images() -> None:
    first, second = ([0, 0, 0, 1], [0, 0, 0, 1]), ([0, 1, 1, 1], [1, 0, 1, 0])
    metric = ConfusionMatrix(2)
    for labels, predictions in (first, second):
        metric.update(torch.tensor(predictions), torch.tensor(labels))
    per_image = [mean_iou(matrix_of(*pair, classes=2)) for pair in (first, second)]
    assert per_image == pytest.approx([1.0, (0 + 1 / 4) / 2])
    assert mean_iou(metric.compute()) == pytest.approx((3 / 6 + 2 / 5) / 2)
    assert sum(per_image) / 2 == pytest.approx(0.5625)


def test_batches_of_any_size_give_exactly_the_same_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (6, 9, 7), generator=generator).where(torch.rand(6, 9, 7, generator=generator) < 0.9, 255)
    predictions = torch.randint(4, (6, 9, 7), generator=generator)
    whole = ConfusionMatrix(4)
    whole.update(predictions, labels)
    for size in (1, 2, 4):
        parts = ConfusionMatrix(4)
        for some_predictions, some_labels in zip(predictions.split(size), labels.split(size), strict=True):
            parts.update(some_predictions, some_labels)
        assert torch.equal(parts.compute(), whole.compute())


def test_counts_stay_exact_beyond_what_a_float_holds() -> None:
    metric = ConfusionMatrix(2)
    metric.matrix += 2**60
    metric.update(torch.tensor([0]), torch.tensor([0]))
    assert metric.compute()[0, 0].item() == 2**60 + 1


def test_processes_are_summed() -> None:
    metric = ConfusionMatrix(2)
    together = metric._reductions["matrix"](torch.tensor([[[1, 2], [3, 4]], [[10, 20], [30, 40]]]))
    assert together.tolist() == [[11, 22], [33, 44]]


def test_a_new_epoch_starts_from_nothing_and_leaves_the_last_matrix_alone() -> None:
    metric = ConfusionMatrix(2)
    metric.update(torch.tensor([0, 1]), torch.tensor([0, 1]))
    last = metric.compute()
    metric.update(torch.tensor([0]), torch.tensor([0]))
    assert last.tolist() == [[1, 0], [0, 1]]
    metric.reset()
    metric.update(torch.tensor([1]), torch.tensor([0]))
    assert last.tolist() == [[1, 0], [0, 1]]
    assert metric.compute().tolist() == [[0, 1], [0, 0]]


def test_labels_of_8_bits_do_not_overflow() -> None:
    metric = ConfusionMatrix(200)
    metric.update(torch.tensor([199], dtype=torch.uint8), torch.tensor([199], dtype=torch.uint8))
    assert metric.compute()[199, 199] == 1


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2, 2\).*\(1, 4, 4\)"):
        ConfusionMatrix(2).update(torch.zeros(1, 2, 2, dtype=torch.int64), torch.zeros(1, 4, 4, dtype=torch.int64))


@pytest.mark.parametrize(("label", "prediction"), [(0, 3), (0, 7), (3, 0), (9, 9)])
def test_a_class_out_of_range_is_refused_and_never_counted_as_another(label: int, prediction: int) -> None:
    with pytest.raises((ValueError, ICNetError), match=str(max(label, prediction))):
        matrix_of([label], [prediction])


def test_a_prediction_under_an_ignored_pixel_may_be_anything() -> None:
    assert matrix_of([255], [77]).sum() == 0


def test_scores_are_plain_json() -> None:
    scores = scores_of([0, 0, 1], [0, 1, 1])
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_iou_has_the_digits_of_a_double() -> None:
    matrix = torch.tensor([[10**9, 1], [0, 0]])
    assert iou_per_class(matrix)[0].item() == 10**9 / (10**9 + 1)


def test_categories_are_scored_by_what_they_hold_together() -> None:
    """Rows: road 2 + 1 as sidewalk, sidewalk 1 as car, car 3: flat 3 of 4, vehicle 3 of 4, sky nowhere."""
    matrix = torch.tensor([[2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 3, 0], [0, 0, 0, 0]])
    scores = category_iou(matrix, ["flat", "flat", "vehicle", "sky"])
    assert list(scores) == ["flat", "vehicle", "sky"]
    assert scores["flat"] == scores["vehicle"] == 3 / 4
    assert math.isnan(scores["sky"])
    assert mean_score(scores) == 3 / 4
    assert math.isnan(mean_score({"sky": math.nan}))


@pytest.mark.parametrize("value", [-1, 256, 300])
def test_values_that_are_no_bytes_are_refused_by_name(value: int) -> None:
    with pytest.raises(ValueError, match=f"class {value} .* only 3 classes"):
        matrix_of([value], [0])
