"""Our scores are those of the Cityscapes evaluation scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as scripts
from tests.metrics.scenes import Scene, load_classes, patchwork, street

from icnet.metrics.confusion import ConfusionMatrix, category_iou, iou_per_class, mean_iou, mean_score
from icnet.metrics.instances import InstanceIoU, InstanceScores

CITYSCAPES = load_classes("cityscapes")
CAR, TRUCK, BUS, TERRAIN, SKY = (CITYSCAPES.names.index(n) for n in ("car", "truck", "bus", "terrain", "sky"))


def run_scripts(scenes: Sequence[Scene], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the scripts say of the scenes, written as they read them."""
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # the scripts use the name that NumPy 2.4 took away
    monkeypatch.setattr(scripts.args, "quiet", True)
    monkeypatch.setattr(scripts.args, "JSONOutput", False)
    predictions, labels = [], []
    for number, scene in enumerate(scenes):
        predicted_ids = np.array(CITYSCAPES.ids, np.uint8)[scene.prediction.numpy()]
        for suffix, pixels in (
            ("prediction", predicted_ids),
            ("gtFine_labelIds", scene.label_ids),
            ("gtFine_instanceIds", scene.instance_ids.astype(np.uint16)),
        ):
            assert cv2.imwrite(str(folder / f"town_{number:06d}_000000_{suffix}.png"), pixels)
        predictions.append(str(folder / f"town_{number:06d}_000000_prediction.png"))
        labels.append(str(folder / f"town_{number:06d}_000000_gtFine_labelIds.png"))
    said = scripts.evaluateImgLists(predictions, labels, scripts.args)
    assert isinstance(said, dict)
    return said


def score(scenes: Sequence[Scene]) -> tuple[torch.Tensor, InstanceScores]:
    confusion, instances = ConfusionMatrix(len(CITYSCAPES)), InstanceIoU(CITYSCAPES)
    for scene in scenes:
        confusion.update(scene.prediction, scene.labels)
        instances.update(scene.prediction, scene.labels, torch.from_numpy(scene.instance_ids))
    return confusion.compute(), instances.compute()


def assert_same(ours: Mapping[str, float], theirs: Mapping[str, float]) -> None:
    """Equal to 1e-9; what we do not score is NaN in the scripts."""
    for name, value in theirs.items():
        assert ours.get(name, math.nan) == pytest.approx(value, abs=1e-9, nan_ok=True), name
    assert ours.keys() <= theirs.keys()


def crowd() -> list[Scene]:
    return [street(CITYSCAPES, 1), street(CITYSCAPES, 2), patchwork(CITYSCAPES, 3), patchwork(CITYSCAPES, 4)]


def absent() -> list[Scene]:
    """No truck anywhere; terrain and bus are predicted but nowhere labelled, sky is labelled but nowhere predicted."""
    scene = street(CITYSCAPES, 5)
    prediction = scene.prediction.clone()
    for name in (TERRAIN, BUS, TRUCK, SKY):
        prediction[prediction == name] = CAR
    prediction[30:40, 30:60], prediction[50:60, 90:99] = TERRAIN, BUS
    return [scene._replace(prediction=prediction)]


def ignored() -> list[Scene]:
    """Nothing is labelled but a caravan and void."""
    scene = street(CITYSCAPES, 6)
    label_ids, instance_ids = np.zeros_like(scene.label_ids), np.zeros_like(scene.instance_ids)
    label_ids[20:50], instance_ids[20:50] = 29, 29001
    return [Scene(scene.prediction, torch.full_like(scene.labels, 255), label_ids, instance_ids)]


def groups() -> list[Scene]:
    """Persons and cars that were labelled in groups: no instance, so that only false positives count."""
    scene = street(CITYSCAPES, 7)
    return [scene._replace(instance_ids=scene.label_ids.astype(np.int32))]


@pytest.mark.parametrize("draw", [crowd, absent, ignored, groups])
def test_scores_are_those_of_the_cityscapes_scripts(
    draw: Callable[[], list[Scene]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = draw()
    theirs = run_scripts(scenes, tmp_path, monkeypatch)
    matrix, instances = score(scenes)
    assert CITYSCAPES.categories is not None
    categories = category_iou(matrix, CITYSCAPES.categories)
    assert_same(dict(zip(CITYSCAPES.names, iou_per_class(matrix).tolist(), strict=True)), theirs["classScores"])
    assert_same(categories, theirs["categoryScores"])
    assert_same(instances.classes, theirs["classInstScores"])
    assert_same(instances.categories, theirs["categoryInstScores"])
    for ours, name in (
        (mean_iou(matrix), "averageScoreClasses"),
        (mean_score(categories), "averageScoreCategories"),
        (mean_score(instances.classes), "averageScoreInstClasses"),
        (mean_score(instances.categories), "averageScoreInstCategories"),
    ):
        assert ours == pytest.approx(theirs[name], abs=1e-9, nan_ok=True), name


def test_the_scenes_hold_what_they_are_to_test() -> None:
    scores = [score(scenes) for scenes in (crowd(), absent(), ignored(), groups())]
    assert not iou_per_class(scores[0][0]).isnan().any()
    ious = iou_per_class(scores[1][0])
    assert ious[TERRAIN] == ious[BUS] == ious[SKY] == 0
    assert ious[TRUCK].isnan()
    assert scores[1][1].classes["bus"] == 0
    assert 0 < scores[1][1].categories["vehicle"] < 1
    assert scores[2][0].sum() == 0
    assert scores[3][1].classes["car"] == 0


def test_the_table_is_that_of_the_scripts() -> None:
    trained = {label.name: label for label in scripts.labels if not label.ignoreInEval}
    assert list(trained) == list(CITYSCAPES.names)
    assert CITYSCAPES.categories == tuple(label.category for label in trained.values())
    assert CITYSCAPES.ids == tuple(label.id for label in trained.values())
    sizes = {name: size for name, size in scripts.args.avgClassSize.items() if name in trained}
    assert CITYSCAPES.instance_sizes == sizes


def test_streets_agree_with_cityscapes() -> None:
    streets = load_classes("streets")
    assert streets.categories is not None
    assert CITYSCAPES.categories is not None
    assert CITYSCAPES.instance_sizes is not None
    category = dict(zip(CITYSCAPES.names, CITYSCAPES.categories, strict=True))
    assert list(streets.categories) == [category[name] for name in streets.names]
    assert streets.instance_sizes == {n: CITYSCAPES.instance_sizes[n] for n in ("person", "rider", "car")}
