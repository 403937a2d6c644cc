"""Distillation: beside the labels, a trained network says what the stages of the cascade should see."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from icnet.data.labels import IGNORE, UNLABELLED
from icnet.errors import ConfigError
from icnet.model.icnet import STAGES, CascadeLogits
from icnet.model.layers import Resize, sample_labels, size_of
from icnet.objectives.cascade import CascadeLoss

Kind = Callable[[Tensor, Tensor, Tensor], Tensor]
_NOWHERE = -1e4  # as a logit: its share is 0 in 32 bits, and its logarithm still finite


class Teacher(Protocol):
    """A trained network that reads frames (N, H, W, 3) uint8 with a normalisation of its own; every engine is one."""

    def scores(self, frames: Tensor) -> Tensor:
        """(N, classes, H, W) float32 logits."""

    def to(self, device: torch.device) -> Teacher: ...


class Distillation:
    """The cascade's loss by labels, and at each of `stages` the difference between a stage and the teacher.

    total = the sum over the stages of sub_x * (labels_x + weight * teacher_x). The teacher reads the same augmented crops
    and is neither trained nor saved; its scores are resized to each stage.

    Pixels without a label (`UNLABELLED`) get the teacher's class where its probability is above `confidence`; elsewhere they
    are ignored. What is ignored (void, padding, doubt) counts in no term, by labels or by the teacher.

    kind: (stage, teacher, counted) -> scalar; logits (N, C, h, w), mask (N, h, w) of the pixels that count.
    teacher: None learns from labels alone, which a folder of label maps has given to unlabelled frames already.
    sub4, sub24, sub124, class_weights, align_corners: as of CascadeLoss.
    """

    def __init__(
        self,
        kind: Kind,
        weight: float = 1.0,
        stages: Sequence[str] = STAGES,
        teacher: Teacher | None = None,
        confidence: float = 0.9,
        sub4: float = 0.16,
        sub24: float = 0.4,
        sub124: float = 1.0,
        class_weights: Sequence[float] | None = None,
        align_corners: bool = False,
    ) -> None:
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"loss.weight is {weight}: the weight of the teacher is a number of at least 0")
        if not stages or len({*stages} & {*STAGES}) < len(stages):
            raise ValueError(f"loss.stages is {list(stages)}: name some of {', '.join(STAGES)}, each once")
        if not 0 <= confidence < 1:
            raise ConfigError(f"task.confidence is {confidence}: give a probability of at least 0 and below 1")
        self.by_labels = CascadeLoss(sub4, sub24, sub124, IGNORE, class_weights, align_corners=align_corners)
        self.kind, self.weight, self.stages = kind, weight, stages
        self.teacher, self.confidence = teacher, confidence
        self.resize = Resize(align_corners)

    def terms(self, frames: Tensor, outputs: CascadeLogits, labels: Tensor) -> dict[str, Tensor]:
        """As an `Objective`: the losses by labels, and teacher_sub4, teacher_sub24, teacher_sub124."""
        if self.teacher is None:
            return self.by_labels.terms(frames, outputs, labels)
        scores = self.teacher.scores(frames)
        labels = answer_unlabelled(labels, scores, self.confidence)
        terms = self.by_labels.terms(frames, outputs, labels)
        for name in self.stages:
            stage = getattr(outputs, name).float()
            counted = sample_labels(labels, size_of(stage), self.resize.align_corners) != IGNORE
            term = self.kind(stage, self.resize(scores, size_of(stage)), counted)
            terms[f"teacher_{name}"] = term
            terms["total"] = terms["total"] + self.by_labels.factors[name] * self.weight * term
        return terms

    def validate(self, outputs: CascadeLogits, labels: Tensor) -> Tensor:
        return self.by_labels.validate(outputs, labels)

    def to(self, device: torch.device) -> Distillation:
        self.by_labels.to(device)
        self.teacher = None if self.teacher is None else self.teacher.to(device)
        return self


def answer_unlabelled(labels: Tensor, scores: Tensor, confidence: float) -> Tensor:
    """Labels (N, H, W) in which unlabelled pixels have the class of the scores (N, C, H, W), or are ignored."""
    unlabelled = labels == UNLABELLED
    if not unlabelled.any():
        return labels
    probability, answer = scores.softmax(dim=1).max(dim=1)
    return labels.where(~unlabelled, answer.to(labels.dtype).where(probability > confidence, IGNORE))


class CWD:
    """Channel-wise distillation (Shu et al., ICCV 2021): where in the frame a class is seen, class by class.

    Of each class of each frame the logits become shares of the pixels that count; the loss is the mean Kullback-Leibler
    divergence of the stage's shares from the teacher's, times temperature squared.

    temperature: above 0; higher ones look at weaker places, too (paper: 4).
    """

    def __init__(self, temperature: float = 4.0) -> None:
        self.temperature = _check_temperature(temperature)

    def __call__(self, stage: Tensor, teacher: Tensor, counted: Tensor) -> Tensor:
        hidden = ~counted.flatten(1)[:, None]
        ours, theirs = (
            (logits.flatten(2) / self.temperature).masked_fill(hidden, _NOWHERE).log_softmax(dim=2)
            for logits in (stage, teacher)
        )
        divergence = F.kl_div(ours, theirs, reduction="sum", log_target=True)
        return self.temperature**2 * divergence / (stage.shape[0] * stage.shape[1])


class DIST:
    """Distillation from a stronger teacher (Huang et al., NeurIPS 2022): how probabilities relate, not what they are.

    inter x (1 - correlation of a pixel's probabilities over the classes, mean of the pixels that count)
    + intra x (1 - correlation of a class's probabilities over those pixels, mean of the classes), times temperature squared.

    temperature: above 0 (paper: 1).
    """

    def __init__(self, temperature: float = 1.0, inter: float = 1.0, intra: float = 1.0) -> None:
        self.temperature = _check_temperature(temperature)
        self.inter, self.intra = inter, intra

    def __call__(self, stage: Tensor, teacher: Tensor, counted: Tensor) -> Tensor:
        if not counted.any():
            return 0 * stage.sum()
        ours, theirs = (
            (logits / self.temperature).softmax(dim=1).movedim(1, -1)[counted] for logits in (stage, teacher)
        )
        inter, intra = (1 - correlate(ours, theirs, dim).mean() for dim in (1, 0))
        return self.temperature**2 * (self.inter * inter + self.intra * intra)


def correlate(first: Tensor, second: Tensor, dim: int) -> Tensor:
    """Pearson's correlation along a dimension, which the result lacks; 0 where one of both is constant."""
    return F.cosine_similarity(first - first.mean(dim, keepdim=True), second - second.mean(dim, keepdim=True), dim)


def _check_temperature(temperature: float) -> float:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"loss.kind.temperature is {temperature}: give a number above 0")
    return temperature
