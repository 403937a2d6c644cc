from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from icnet.errors import ConfigError
from icnet.model.icnet import STAGES, CascadeLogits
from icnet.objectives.cascade import CascadeLoss
from icnet.objectives.distill import CWD, DIST, Distillation, Kind, answer_unlabelled, correlate

KINDS = [CWD(), CWD(temperature=1.0), DIST(), DIST(temperature=2.0, inter=0.5)]


class StubTeacher:
    """Gives fixed scores, as an engine does in inference mode, and keeps what it was asked."""

    def __init__(self, scores: Tensor) -> None:
        with torch.inference_mode():
            self.given = scores.clone()
        self.asked: Tensor | None = None

    def scores(self, frames: Tensor) -> Tensor:
        self.asked = frames
        return self.given

    def to(self, device: torch.device) -> StubTeacher:
        return self


def difference(*settings: Any) -> Tensor:
    """What the tests below use for a kind: the mean square over the pixels that count."""
    stage, teacher, counted = settings
    mean: Tensor = ((stage - teacher).square().mean(1) * counted).sum() / counted.sum()
    return mean


def all_counted(logits: Tensor) -> Tensor:
    return torch.ones(logits.shape[0], *logits.shape[2:], dtype=torch.bool)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def case() -> tuple[Tensor, CascadeLogits, Tensor]:
    """Frames of 32x48, logits of all stages, labels of which some are ignored."""
    stages = CascadeLogits(*(draw(2, 4, 32 // s, 48 // s, seed=s).requires_grad_() for s in (16, 8, 4)))
    labels = torch.randint(5, (2, 32, 48), generator=torch.Generator().manual_seed(1))
    return torch.zeros(2, 32, 48, 3, dtype=torch.uint8), stages, labels.where(labels < 4, 255).to(torch.uint8)


def test_channel_wise_distillation_is_the_divergence_of_where_a_class_is_seen() -> None:
    teacher = torch.tensor([[math.log(3), 0.0], [1.0, 1.0]]).reshape(1, 2, 1, 2)  # shares 3/4, 1/4; 1/2, 1/2
    stage = torch.zeros(1, 2, 1, 2)
    expected = (3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2)) / 2  # of two classes
    assert CWD(temperature=1.0)(stage, teacher, all_counted(stage)) == pytest.approx(expected, rel=1e-5)
    assert CWD(temperature=2.0)(stage, 2 * teacher, all_counted(stage)) == pytest.approx(4 * expected, rel=1e-5)


def test_channel_wise_distillation_does_not_ask_how_much_of_a_class_there_is() -> None:
    teacher = draw(2, 3, 4, 5)
    assert CWD()(teacher + draw(2, 3, 1, 1), teacher, all_counted(teacher)) == pytest.approx(0, abs=1e-5)


def sure(*probabilities: float) -> Tensor:
    """Logits (1, 2, 1, n) that give class 0 these probabilities."""
    p = torch.tensor(probabilities)
    return torch.stack([p.log(), (1 - p).log()])[None, :, None, :]


@pytest.mark.parametrize(
    ("stage", "inter", "intra"),
    [
        ((0.6, 0.8), 0, 0),  # other probabilities, related alike
        ((0.8, 0.6), 0, 2),  # surer where the teacher is less so
        ((0.2, 0.4), 2, 0),  # the other class
        ((0.4, 0.2), 2, 2),
    ],
)
def test_dist_asks_how_probabilities_relate_over_classes_and_over_pixels(
    stage: tuple[float, float], inter: float, intra: float
) -> None:
    logits, teacher = sure(*stage), sure(0.7, 0.9)
    assert DIST()(logits, teacher, all_counted(logits)) == pytest.approx(inter + intra, abs=1e-4)
    weighted = DIST(inter=0.25, intra=3.0)(logits, teacher, all_counted(logits))
    assert weighted == pytest.approx(0.25 * inter + 3 * intra, abs=1e-3)


def test_correlations_are_those_of_torch() -> None:
    first, second = draw(6, seed=1), draw(6, seed=2)
    expected = torch.corrcoef(torch.stack([first, second]))[0, 1]
    assert correlate(first, second, 0) == pytest.approx(expected.item(), abs=1e-6)
    assert correlate(torch.ones(6), second, 0) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_that_sees_what_the_teacher_sees_has_no_difference(kind: Kind) -> None:
    logits = draw(2, 3, 4, 5)
    assert kind(logits, logits, all_counted(logits)) == pytest.approx(0, abs=1e-5)
    assert kind(draw(2, 3, 4, 5, seed=1), logits, all_counted(logits)) > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_that_does_not_count_changes_no_difference(kind: Kind) -> None:
    stage, teacher = draw(2, 3, 4, 6, seed=1), draw(2, 3, 4, 6, seed=2)
    counted = all_counted(stage)
    counted[:, :, 4:] = False
    other = stage.clone()
    other[..., 4:] = 50 * draw(2, 3, 4, 2, seed=3)
    expected = kind(stage[..., :4], teacher[..., :4], counted[:, :, :4])
    assert kind(other, teacher, counted) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_where_no_pixel_counts_the_difference_is_0_and_so_are_its_gradients(kind: Kind) -> None:
    stage = draw(2, 3, 4, 5).requires_grad_()
    difference = kind(stage, draw(2, 3, 4, 5, seed=1), ~all_counted(stage))
    difference.backward()
    assert difference == 0
    assert stage.grad is not None
    assert stage.grad.abs().max() == 0


@pytest.mark.parametrize("stages", [STAGES, ("sub124",)])
def test_the_total_adds_the_teacher_at_each_stage_to_the_labels(stages: tuple[str, ...]) -> None:
    frames, outputs, labels = case()
    teacher = StubTeacher(draw(2, 4, 32, 48))
    loss = Distillation(difference, 2.0, stages, teacher, sub4=0.5, sub24=0.25, sub124=1.5, class_weights=[1, 2, 3, 4])
    terms = loss.terms(frames, outputs, labels)
    assert teacher.asked is frames  # as they are: it has a normalisation of its own
    by_labels = CascadeLoss(0.5, 0.25, 1.5, class_weights=[1, 2, 3, 4])(outputs, labels)
    assert [terms[name] for name in STAGES] == [by_labels[name] for name in STAGES]
    assert {name for name in terms if name.startswith("teacher")} == {f"teacher_{name}" for name in stages}
    factors = {"sub4": 0.5, "sub24": 0.25, "sub124": 1.5}
    taught = sum(2.0 * factors[name] * terms[f"teacher_{name}"].item() for name in stages)
    assert terms["total"].item() == pytest.approx(by_labels["total"].item() + taught, rel=1e-6)
    assert loss.validate(outputs, labels) == by_labels["total"]
    terms["total"].backward()
    assert all(stage.grad is not None and stage.grad.abs().max() > 0 for stage in outputs)


def test_the_scores_of_the_teacher_are_brought_to_each_stage() -> None:
    frames, _, labels = case()
    scores = torch.arange(48.0).expand(2, 4, 32, 48)  # a slope: at stride s pixel i stands for column (i + 0.5) s - 0.5
    seen = {s: ((torch.arange(48 // s) + 0.5) * s - 0.5).expand(2, 4, 32 // s, -1) for s in (16, 8, 4)}
    terms = Distillation(difference, teacher=StubTeacher(scores)).terms(frames, CascadeLogits(*seen.values()), labels)
    assert [terms[f"teacher_{name}"].item() for name in STAGES] == pytest.approx([0, 0, 0], abs=1e-8)


@pytest.mark.parametrize("kind", [CWD(), DIST()])
def test_ignored_pixels_change_no_term(kind: Kind) -> None:
    frames, outputs, labels = case()
    labels[:, :, 24:] = 255
    scores = draw(2, 4, 32, 48)
    before = Distillation(kind, stages=["sub124"], teacher=StubTeacher(scores)).terms(frames, outputs, labels)
    scores[..., 28:] = 50 * draw(2, 4, 32, 20, seed=9)
    after = Distillation(kind, stages=["sub124"], teacher=StubTeacher(scores)).terms(frames, outputs, labels)
    assert before == after


def test_the_teacher_answers_where_nobody_labelled_and_it_is_sure_enough() -> None:
    labels = torch.tensor([[[254, 254, 254, 255, 1]]], dtype=torch.uint8)
    scores = sure(0.95, 0.05, 0.85, 0.95, 0.95)
    assert answer_unlabelled(labels, scores, 0.9).tolist() == [[[0, 1, 255, 255, 1]]]
    assert answer_unlabelled(labels, scores, 0.8).tolist() == [[[0, 1, 0, 255, 1]]]
    assert answer_unlabelled(labels, scores, 0.8).dtype == torch.uint8


def test_what_the_teacher_answers_counts_as_labels_do_and_what_it_doubts_counts_nowhere() -> None:
    frames, outputs, labels = case()
    unlabelled, scores = labels.clone(), 3 * draw(2, 4, 32, 48)
    unlabelled[1] = 254
    loss = Distillation(CWD(), teacher=StubTeacher(scores), confidence=0.8)
    filled = answer_unlabelled(unlabelled, scores, 0.8)
    assert 0.2 < (filled[1] == 255).float().mean() < 0.8
    assert loss.terms(frames, outputs, unlabelled) == loss.terms(frames, outputs, filled)


def test_without_a_teacher_labels_decide_alone() -> None:
    frames, outputs, labels = case()
    assert Distillation(CWD()).terms(frames, outputs, labels) == CascadeLoss()(outputs, labels)


@pytest.mark.parametrize("kind", [CWD(), DIST()])
def test_half_precision_logits_are_compared_in_full_precision(kind: Kind) -> None:
    frames, outputs, labels = case()
    loss = Distillation(kind, teacher=StubTeacher(draw(2, 4, 32, 48)))
    halves = CascadeLogits(*(stage.detach().bfloat16() for stage in outputs))
    exact = CascadeLogits(*(stage.float() for stage in halves))
    with torch.autocast("cpu", torch.bfloat16):
        assert loss.terms(frames, halves, labels) == loss.terms(frames, exact, labels)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"weight": -1.0}, r"loss\.weight is -1"),
        ({"stages": []}, r"loss\.stages is \[\]"),
        ({"stages": ["sub4", "sub5"]}, r"loss\.stages is .*sub5"),
        ({"stages": ["sub4", "sub4"]}, r"each once"),
        ({"confidence": 1.0}, r"task\.confidence is 1\.0"),
        ({"confidence": -0.1}, r"task\.confidence is -0\.1"),
        ({"confidence": math.nan}, r"task\.confidence is nan"),
        ({"sub4": -1.0}, r"loss\.sub4 is -1"),
    ],
)
def test_settings_that_are_none_are_refused_by_name_and_value(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=fault):
        Distillation(CWD(), **settings)


@pytest.mark.parametrize("kind", [CWD, DIST])
@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_a_temperature_is_above_0(kind: type[CWD] | type[DIST], temperature: float) -> None:
    with pytest.raises(ValueError, match=rf"loss\.kind\.temperature is {temperature}"):
        kind(temperature)
