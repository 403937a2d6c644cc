"""From what an evaluation counted to the scores of results.json: ratios in 0..1, None where nothing was counted."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.metrics.bootstrap import Interval, bootstrap_miou, paired_difference
from icnet.metrics.boundary import BoundaryResult
from icnet.metrics.confusion import category_iou, mean_iou, mean_score, plain, summarize
from icnet.metrics.instances import InstanceScores
from icnet.metrics.segments import DISTANCE_LIMITS, SIZE_LIMITS, SIZE_UNIT, iou_by_size
from icnet.training.evaluation import Evaluation


def summarize_evaluation(result: Evaluation, classes: ClassTable) -> dict[str, Any]:
    """All scores but those of other predictors."""
    scores = summarize(result.matrix, classes.names)
    scores["miou_interval"] = _bounds(bootstrap_miou(result.matrices))
    scores |= _summarize_categories(result.matrix, classes)
    if result.instances is not None:
        scores |= _summarize_instances(result.instances)
    scores["boundary"] = _summarize_boundary(result.boundary, classes)
    scores["miou_by_size"] = _summarize_sizes(result.by_size)
    scores["miou_by_distance"] = _summarize_distances(result.by_distance)
    return scores


def summarize_exit(matrices: Tensor) -> dict[str, Any]:
    """The mIoU of one exit, with its interval."""
    value = bootstrap_miou(matrices)
    return {"miou": plain(value.value), "miou_interval": _bounds(value)}


def summarize_difference(ours: Tensor, other: Tensor, checkpoint: str) -> dict[str, Any]:
    """This network against another on the same images; a positive difference speaks for this one."""
    difference = paired_difference(ours, other)
    return {
        "checkpoint": checkpoint,
        "miou": plain(mean_iou(other.sum(dim=0))),
        "difference": plain(difference.value),
        "difference_interval": _bounds(difference),
    }


def _bounds(interval: Interval) -> list[float | None]:
    return [plain(interval.low), plain(interval.high)]


def _summarize_categories(matrix: Tensor, classes: ClassTable) -> dict[str, Any]:
    if classes.categories is None:
        return {}
    scores = category_iou(matrix, classes.categories)
    return {"category_miou": plain(mean_score(scores)), "category_iou": _plain(scores)}


def _summarize_instances(scores: InstanceScores) -> dict[str, Any]:
    return {
        "iiou": plain(mean_score(scores.classes)),
        "category_iiou": plain(mean_score(scores.categories)),
        "iiou_of": _plain(scores.classes),
        "category_iiou_of": _plain(scores.categories),
    }


def _summarize_boundary(scores: BoundaryResult, classes: ClassTable) -> dict[str, Any]:
    return {
        "iou": plain(scores.mean_iou),
        "f_score": plain(scores.mean_f_score),
        "iou_of": _plain(dict(zip(classes.names, scores.iou.tolist(), strict=True))),
        "f_score_of": _plain(dict(zip(classes.names, scores.f_score.tolist(), strict=True))),
    }


def _summarize_sizes(counts: Tensor) -> dict[str, Any]:
    """Named by the share of the image that a segment takes."""
    limits = [f"{100 * limit / SIZE_UNIT:.2g} %" for limit in SIZE_LIMITS]
    means = iou_by_size(counts).nanmean(dim=1).tolist()
    return {name: plain(mean) for name, mean in zip(_ranges(limits), means, strict=True)}


def _summarize_distances(matrices: Tensor) -> dict[str, Any]:
    """Named by the distance to the nearest boundary."""
    names = _ranges([f"{limit} px" for limit in DISTANCE_LIMITS])
    return {name: plain(mean_iou(matrix)) for name, matrix in zip(names, matrices, strict=True)}


def _ranges(limits: list[str]) -> list[str]:
    """up to a, a to b, ..., above z."""
    between = [f"{low} to {high}" for low, high in pairwise(limits)]
    return [f"up to {limits[0]}", *between, f"above {limits[-1]}"]


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: plain(score) for name, score in scores.items()}
