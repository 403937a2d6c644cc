from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from icnet.errors import ConfigError
from icnet.model.icnet import CascadeLogits
from icnet.objectives.cascade import OHEM, CascadeLoss

REFUSED = (ValueError, ConfigError)


def thrice(logits: Tensor) -> CascadeLogits:
    return CascadeLogits(logits, logits, logits)


def sure(*probabilities: float) -> Tensor:
    """Logits (1, 2, 1, n) that give class 0 these probabilities."""
    p = torch.tensor(probabilities)
    return torch.stack([p.log(), (1 - p).log()])[None, :, None, :]


def with_loss(value: float) -> Tensor:
    """Logits (1, 2, 1, 1) whose cross-entropy for class 0 is `value`."""
    return sure(math.exp(-value))


def labels_of(*values: int, dtype: torch.dtype = torch.int64) -> Tensor:
    return torch.tensor([[values]], dtype=dtype)


def random_case(*size: int, classes: int = 4) -> tuple[CascadeLogits, Tensor]:
    """Logits of all stages for images of 32x48, and labels of which every fifth or so is ignored."""
    generator = torch.Generator().manual_seed(3)
    stages = (torch.randn(2, classes, 32 // s, 48 // s, generator=generator, requires_grad=True) for s in (16, 8, 4))
    labels = torch.randint(classes + 1, (2, 32, 48), generator=generator)
    return CascadeLogits(*stages), labels.where(labels < classes, 255)


def test_the_total_is_the_weighted_sum_of_the_authors_log_line() -> None:
    logits = CascadeLogits(with_loss(3.367), with_loss(4.120), with_loss(0.151))
    losses = CascadeLoss()(logits, labels_of(0))
    assert losses["sub4"] == pytest.approx(3.367, abs=1e-4)
    assert losses["sub24"] == pytest.approx(4.120, abs=1e-4)
    assert losses["sub124"] == pytest.approx(0.151, abs=1e-4)
    assert losses["total"] == pytest.approx(2.33772, abs=1e-4)


def test_the_weights_of_the_stages_can_be_set() -> None:
    logits = CascadeLogits(with_loss(1.0), with_loss(2.0), with_loss(3.0))
    assert CascadeLoss(sub4=0.5, sub24=0.25, sub124=2.0)(logits, labels_of(0))["total"] == pytest.approx(7.0)
    assert CascadeLoss(sub4=0.0, sub24=0.0)(logits, labels_of(0))["total"] == pytest.approx(3.0)


def test_each_stage_is_compared_with_the_label_in_the_middle_of_its_pixel() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.int64)
    labels[0, 8, 24] = 1
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 0] = 10.0
    assert CascadeLoss().stage(logits, labels) == pytest.approx(10 / 4, abs=1e-3)
    assert CascadeLoss().stage(logits, labels.roll(1, dims=2)) == pytest.approx(0, abs=1e-3)


def test_with_aligned_corners_the_outer_pixels_are_compared_with_the_outer_labels() -> None:
    labels = torch.zeros(1, 33, 33, dtype=torch.int64)
    labels[0, 0, 32] = 1
    logits = torch.zeros(1, 2, 3, 3)
    logits[0, 0] = 9.0
    assert CascadeLoss(align_corners=True).stage(logits, labels) == pytest.approx(1, abs=1e-3)
    assert CascadeLoss(align_corners=False).stage(logits, labels) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("ohem", [None, OHEM()])
@pytest.mark.parametrize("class_weights", [None, [1.0, 2.0, 0.5, 3.0]])
def test_an_ignored_pixel_changes_no_loss(ohem: OHEM | None, class_weights: list[float] | None) -> None:
    loss = CascadeLoss(ohem=ohem, class_weights=class_weights)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 6, 6, generator=generator)
    labels = torch.randint(4, (2, 6, 6), generator=generator)
    labels[:, :, 3:] = 255
    other = logits.clone()
    other[:, :, :, 3:] = 50 * torch.randn(2, 4, 6, 3, generator=generator)
    before, after = loss(thrice(logits), labels), loss(thrice(other), labels)
    without = loss(thrice(logits[..., :3]), labels[..., :3])
    for name in before:
        assert before[name] == after[name]
        assert before[name] == pytest.approx(without[name].item(), rel=1e-5)


@pytest.mark.parametrize("ohem", [None, OHEM(), OHEM(min_kept=1.0)])
@pytest.mark.parametrize("class_weights", [None, [1.0, 0.0, 2.0, 1.0]])
def test_where_all_is_ignored_the_loss_is_0_and_so_are_its_gradients(
    ohem: OHEM | None, class_weights: list[float] | None
) -> None:
    logits, labels = random_case()
    losses = CascadeLoss(ohem=ohem, class_weights=class_weights)(logits, torch.full_like(labels, 255))
    losses["total"].backward()
    assert [loss.item() for loss in losses.values()] == [0.0] * 4
    for stage in logits:
        assert stage.grad is not None
        assert stage.grad.abs().max() == 0


def test_where_only_classes_of_weight_0_are_labelled_the_loss_is_0_and_its_gradients_are_finite() -> None:
    logits, labels = random_case()
    losses = CascadeLoss(class_weights=[0.0, 1.0, 1.0, 1.0])(logits, torch.zeros_like(labels))
    losses["total"].backward()
    assert losses["total"] == 0
    assert all(stage.grad is not None and stage.grad.isfinite().all() for stage in logits)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0], [1.0, 0.0, 1.0, 1.0]])
def test_class_weights_are_those_of_cross_entropy(weights: list[float] | None) -> None:
    logits, labels = random_case()
    factors = None if weights is None else torch.tensor(weights)
    losses = CascadeLoss(class_weights=weights)(logits, labels)
    for (name, stage), stride in zip(logits._asdict().items(), (16, 8, 4), strict=True):
        at = labels[:, stride // 2 :: stride, stride // 2 :: stride]
        expected = F.cross_entropy(stage, at, factors, ignore_index=255, reduction="mean")
        assert losses[name].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_class_weights_that_are_no_factors_are_refused(value: float) -> None:
    with pytest.raises(REFUSED, match=rf"class_weights.*{value}"):
        CascadeLoss(class_weights=[1.0, value, 1.0])


@pytest.mark.parametrize("stage", ["sub4", "sub24", "sub124"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_weight_of_a_stage_that_is_no_factor_is_refused_by_name_and_value(stage: str, value: float) -> None:
    with pytest.raises(REFUSED, match=rf"loss\.{stage} is {value}"):
        CascadeLoss(**{stage: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
@pytest.mark.parametrize("settings", [{}, {"ohem": OHEM()}, {"class_weights": [1.0, 2.0, 3.0, 4.0]}])
def test_labels_may_be_of_any_integer_type(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    logits, labels = random_case()
    loss = CascadeLoss(**settings)
    assert loss(logits, labels.to(dtype))["total"] == loss(logits, labels)["total"]


@pytest.mark.parametrize("ignore_index", [-100, -1, 255])
@pytest.mark.parametrize("class_weights", [None, [1.0, 2.0, 3.0, 4.0]])
def test_the_ignored_label_can_be_any_number(ignore_index: int, class_weights: list[float] | None) -> None:
    logits, labels = random_case()
    expected = CascadeLoss(class_weights=class_weights)(logits, labels)["total"]
    renamed = labels.where(labels != 255, ignore_index)
    loss = CascadeLoss(ignore_index=ignore_index, class_weights=class_weights)
    assert loss(logits, renamed)["total"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("ohem", [None, OHEM()])
def test_half_precision_logits_give_a_loss_of_full_precision(dtype: torch.dtype, ohem: OHEM | None) -> None:
    logits, labels = random_case()
    halves = CascadeLogits(*(stage.to(dtype) for stage in logits))
    losses = CascadeLoss(ohem=ohem)(halves, labels)
    exact = CascadeLoss(ohem=ohem)(CascadeLogits(*(stage.float() for stage in halves)), labels)
    for name in losses:
        assert losses[name].dtype == torch.float32
        assert losses[name] == exact[name]


def test_ohem_averages_over_the_unsure_pixels_alone() -> None:
    loss = CascadeLoss(ohem=OHEM(thresh=0.7, min_kept=0))(thrice(sure(0.9, 0.8, 0.6, 0.5)), labels_of(0, 0, 0, 0))
    assert loss["sub124"] == pytest.approx(-(math.log(0.6) + math.log(0.5)) / 2, rel=1e-5)


def test_ohem_looks_at_the_probability_of_the_true_class() -> None:
    loss = CascadeLoss(ohem=OHEM(thresh=0.5, min_kept=0))(thrice(sure(0.9, 0.8, 0.1)), labels_of(0, 1, 1))
    assert loss["sub124"] == pytest.approx(-math.log(0.2), rel=1e-5)


@pytest.mark.parametrize(("min_kept", "kept"), [(0.25, [0.8]), (0.5, [0.8, 0.9]), (1.0, [0.8, 0.9, 0.95, 0.99])])
def test_ohem_keeps_a_share_of_the_labelled_pixels_however_sure(min_kept: float, kept: list[float]) -> None:
    logits = sure(0.99, 0.8, 0.95, 0.9, 0.1, 0.2)
    labels = labels_of(0, 0, 0, 0, 255, 255)
    loss = CascadeLoss(ohem=OHEM(thresh=0.7, min_kept=min_kept))(thrice(logits), labels)
    assert loss["sub124"] == pytest.approx(-sum(math.log(p) for p in kept) / len(kept), rel=1e-4)


def test_ohem_without_a_hard_pixel_gives_0() -> None:
    loss = CascadeLoss(ohem=OHEM(thresh=0.7, min_kept=0))(thrice(sure(0.9, 0.8)), labels_of(0, 0))
    assert loss["total"] == 0


def test_ohem_lets_no_gradient_through_easy_pixels() -> None:
    logits = sure(0.9, 0.5).requires_grad_()
    CascadeLoss(ohem=OHEM(min_kept=0))(thrice(logits), labels_of(0, 0))["total"].backward()
    assert logits.grad is not None
    assert logits.grad[..., 0].abs().max() == 0
    assert logits.grad[..., 1].abs().min() > 0


@pytest.mark.parametrize("settings", [{"thresh": 0.0}, {"thresh": 1.5}, {"min_kept": -0.1}, {"min_kept": 100_000}])
def test_ohem_refuses_what_is_no_share(settings: dict[str, float]) -> None:
    with pytest.raises(REFUSED, match=str(next(iter(settings.values())))):
        OHEM(**settings)


def test_class_weights_travel_with_the_device_but_not_into_a_file() -> None:
    loss = CascadeLoss(class_weights=[1.0, 2.0])
    assert loss.state_dict() == {}
    assert loss.to("meta").class_weights.device.type == "meta"
