"""Evaluation from a composed configuration to results.json, on tiny scenes and a tiny network of random weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tests.conftest import PLAIN, run_plain

from icnet.data.images import read_image, read_label, write_image
from icnet.data.judged import match_predictions, read_instances
from icnet.data.labels import ClassTable
from icnet.data.layouts import CityscapesLayout
from icnet.data.samples import Sample
from icnet.engines.load import load_engine
from icnet.errors import ConfigError, DataError, WeightsError
from icnet.metrics.confusion import ConfusionMatrix, summarize
from icnet.predict import Predictor
from icnet.tasks.evaluate.evaluate import choose_frames
from icnet.weights.checkpoint import read_source
from icnet.weights.download import sha256


def evaluate(folder: Path, root: Path, *overrides: str) -> dict[str, Any]:
    """What results.json of task=evaluate holds."""
    return run_plain(folder, root, "task=evaluate", *overrides)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, streets: Path, checkpoint: Path) -> Path:
    """A whole evaluation, compared with itself."""
    folder = tmp_path_factory.mktemp("evaluate") / "run"
    evaluate(folder, streets, f"ckpt={checkpoint}", f"task.compare={checkpoint}")
    return folder


@pytest.fixture
def results(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text())


def samples_of(streets: Path) -> list[Sample]:
    return CityscapesLayout(streets).samples("val")


def count(predictor: Predictor, samples: list[Sample], classes: ClassTable) -> dict[str, Any]:
    matrix = ConfusionMatrix(len(classes))
    for image, label in samples:
        matrix.update(torch.from_numpy(predictor(read_image(image))), torch.from_numpy(read_label(label, classes)))
    return summarize(matrix.compute(), classes.names)


def test_the_scores_are_those_of_one_confusion_matrix_over_all_frames(
    results: dict[str, Any], streets: Path, checkpoint: Path, street_classes: ClassTable
) -> None:
    expected = count(Predictor.from_checkpoint(checkpoint), samples_of(streets), street_classes)
    assert {key: results["metrics"][key] for key in expected} == expected


def test_every_exit_is_scored_as_by_itself(
    results: dict[str, Any], streets: Path, checkpoint: Path, street_classes: ClassTable
) -> None:
    exits = results["metrics"]["exits"]
    assert list(exits) == ["sub4", "sub24", "sub124"]
    early = Predictor(load_engine(checkpoint).at("sub4"))
    assert exits["sub4"]["miou"] == count(early, samples_of(streets), street_classes)["miou"]
    assert exits["sub124"]["miou"] == results["metrics"]["miou"]
    assert exits["sub4"]["macs"] < exits["sub24"]["macs"] < exits["sub124"]["macs"]
    assert all(scores["image_ms"] > 0 for scores in exits.values())


def test_the_interval_holds_the_score(results: dict[str, Any]) -> None:
    low, high = results["metrics"]["miou_interval"]
    assert low <= results["metrics"]["miou"] <= high


def test_a_network_does_not_differ_from_itself(results: dict[str, Any]) -> None:
    compared = results["metrics"]["compare"]
    assert compared["difference"] == 0
    assert compared["difference_interval"] == [0, 0]
    assert compared["miou"] == results["metrics"]["miou"]


def test_the_protocol_says_what_was_measured(results: dict[str, Any], checkpoint: Path) -> None:
    protocol = results["protocol"]
    assert (protocol["data"], protocol["split"], protocol["images"]) == ("streets", "val", 3)
    assert protocol["image_size"] == [64, 128]
    assert protocol["checkpoint_sha256"] == sha256(checkpoint)
    assert (protocol["scales"], protocol["flip"], protocol["exit"]) == ([1.0], False, "sub124")
    assert protocol["parameters"] > 0
    assert protocol["macs"] == results["metrics"]["exits"]["sub124"]["macs"]
    assert results["task"] == "evaluate"


def test_categories_boundaries_sizes_and_distances_are_there(
    results: dict[str, Any], street_classes: ClassTable
) -> None:
    metrics = results["metrics"]
    assert set(metrics["category_iou"]) == set(street_classes.categories or ())
    assert set(metrics["boundary"]["iou_of"]) == set(street_classes.names)
    assert len(metrics["miou_by_size"]) == 4
    assert len(metrics["miou_by_distance"]) == 6


def test_the_run_leaves_its_page_and_figures(run: Path) -> None:
    assert (run / "report.html").stat().st_size > 10_000
    assert {"class_iou.png", "confusion.png"} <= {p.name for p in (run / "figures").iterdir()}


def test_scales_flip_size_and_exit_reach_the_network(tmp_path: Path, streets: Path, checkpoint: Path) -> None:
    options = ("task.size=[96,160]", "task.scales=[0.75,1.0]", "task.flip=true", "task.exit=sub24", "task.exits=false")
    found = evaluate(tmp_path / "run", streets, f"ckpt={checkpoint}", *options, "task.max_images=1")
    protocol, metrics = found["protocol"], found["metrics"]
    assert (protocol["size"], protocol["scales"], protocol["flip"]) == ([96, 160], [0.75, 1.0], True)
    assert (protocol["exit"], protocol["images"]) == ("sub24", 1)
    assert "exits" not in metrics


def test_label_maps_of_any_program_score_as_the_network_that_made_them(
    tmp_path: Path, streets: Path, checkpoint: Path, street_classes: ClassTable, results: dict[str, Any]
) -> None:
    predictor = Predictor.from_checkpoint(checkpoint)
    ids = np.array(street_classes.ids, np.uint8)
    for sample in samples_of(streets):  # as the benchmark takes them: label ids under the image's own name
        folder = tmp_path / "theirs" / sample.image.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / sample.image.name, ids[predictor(read_image(sample.image))])
    found = evaluate(tmp_path / "run", streets, f"task.predictions={tmp_path / 'theirs'}")
    for key in ("miou", "iou", "boundary", "miou_by_size", "category_miou"):
        assert found["metrics"][key] == results["metrics"][key]
    assert "image_ms" not in found["metrics"]


def test_frames_are_chosen_evenly(streets: Path) -> None:
    frames = [Sample(Path(str(i)), Path(str(i))) for i in range(10)]
    assert [int(s.image.name) for s in choose_frames(frames, 4)] == [0, 3, 6, 9]
    assert choose_frames(frames, 99) == frames
    with pytest.raises(ConfigError, match="max_images is 0"):
        choose_frames(frames, 0)


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ((), "no checkpoint is given"),
        (("ckpt={ckpt}", "task.exit=sub2"), "task.exit is 'sub2'"),
        (("ckpt={ckpt}", "task.scales=[]"), "task.scales"),
        (("ckpt={ckpt}", "backbone=resnet50"), "backbone=resnet50: a checkpoint brings its own network"),
        (("ckpt={ckpt}", "task.predictions=there"), "leave out ckpt"),
        (("ckpt={ckpt}", "data/classes=camvid"), "choose the data= that it was trained for"),
        (("ckpt={ckpt}", "trainer.precision=64-true"), "trainer.precision is 64-true"),
        (("task.predictions=nowhere", "task.prediction_ids=colors"), "task.prediction_ids is 'colors'"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    tmp_path: Path, streets: Path, checkpoint: Path, overrides: tuple[str, ...], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        evaluate(tmp_path / "run", streets, *(o.format(ckpt=checkpoint) for o in overrides))


@pytest.mark.parametrize(("given", "fault"), [("nowhere.ckpt", "no file"), (".", "is a folder")])
def test_a_checkpoint_that_is_none_is_named(tmp_path: Path, streets: Path, given: str, fault: str) -> None:
    with pytest.raises(WeightsError, match=fault):
        evaluate(tmp_path / "run", streets, f"ckpt={given}")


def test_a_split_that_does_not_exist_is_named(tmp_path: Path, streets: Path, checkpoint: Path) -> None:
    with pytest.raises(DataError, match="trian"):
        evaluate(tmp_path / "run", streets, f"ckpt={checkpoint}", "data.split=trian")


def named(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


IMAGE = Path("leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png")


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["ulm_000000_000019_leftImg8bit.png"], 0),
        (["ulm_000000_000019_leftImg8bit_color.png", "ulm_000000_000019_leftImg8bit_labels.png"], 1),
        (["ulm_000000_000019_pred.png"], 0),
        (["bonn/ulm_000000_000019_leftImg8bit.png", "ulm/ulm_000000_000019_leftImg8bit.png"], 1),
    ],
)
def test_predictions_are_found_by_name(tmp_path: Path, files: list[str], chosen: int) -> None:
    folder = named(tmp_path, *files)
    assert match_predictions([IMAGE], folder) == [folder / files[chosen]]


def test_predictions_that_are_missing_or_doubtful_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        match_predictions([], tmp_path / "nowhere")
    with pytest.raises(DataError, match="no prediction for 1 of 1 images"):
        match_predictions([IMAGE], named(tmp_path / "none", "other.png"))
    with pytest.raises(DataError, match="could both be"):
        match_predictions([IMAGE], named(tmp_path / "two", f"a/{IMAGE.name}", f"b/{IMAGE.name}"))


@pytest.mark.parametrize(("size", "value", "fault"), [((32, 64), 7, "32x64"), ((64, 128), 0, "no class")])
def test_predictions_that_cannot_be_scored_are_named(
    tmp_path: Path, streets: Path, size: tuple[int, int], value: int, fault: str
) -> None:
    for sample in samples_of(streets):
        write_image(tmp_path / sample.image.name, np.full(size, value, np.uint8))
    with pytest.raises(DataError, match=fault):
        evaluate(tmp_path / "run", streets, f"task.predictions={tmp_path}")


def test_instances_are_read_from_beside_the_label(tmp_path: Path) -> None:
    label = tmp_path / "ulm_000000_000019_gtFine_labelTrainIds.png"
    assert read_instances(label).size == 0
    ids = np.array([[26001, 7], [26002, 24000]], np.uint16)
    cv2.imwrite(str(tmp_path / "ulm_000000_000019_gtFine_instanceIds.png"), ids)
    np.testing.assert_array_equal(read_instances(label), ids)


def test_scenes_with_instances_get_an_instance_weighted_score(
    tmp_path: Path, streets: Path, checkpoint: Path, street_classes: ClassTable
) -> None:
    root = Path(shutil.copytree(streets, tmp_path / "streets"))
    car = street_classes.ids[list(street_classes.names).index("car")]
    for _, label in CityscapesLayout(root).samples("val"):
        ids = cv2.imread(str(label), cv2.IMREAD_UNCHANGED).astype(np.uint16)
        ids[ids == car] = 1000 * car
        cv2.imwrite(str(label).replace("_labelIds", "_instanceIds"), ids)
    metrics = evaluate(tmp_path / "run", root, f"ckpt={checkpoint}", "task.exits=false")["metrics"]
    assert 0 <= metrics["iiou_of"]["car"] <= 1
    assert "iiou" in metrics
    assert "category_iiou" in metrics


def test_a_checkpoint_keeps_what_evaluation_needs_of_its_classes(checkpoint: Path, street_classes: ClassTable) -> None:
    assert ClassTable(**read_source(checkpoint).classes) == street_classes


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path: Path, streets: Path, checkpoint: Path, run: Path) -> None:
    door = Path(__file__).parents[2] / "run.py"
    settings = ("task=evaluate", *PLAIN, f"data.root={streets}", f"ckpt={checkpoint}", f"task.compare={checkpoint}")
    devices = ("trainer.devices=2", "strategy=ddp", f"hydra.run.dir={tmp_path / 'two'}")
    command = [sys.executable, str(door), *settings, *devices]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=200, cwd=tmp_path)
    one, two = (json.loads((f / "results.json").read_text())["metrics"] for f in (run, tmp_path / "two"))
    for metrics in (one, two):
        for timed in (metrics, *metrics["exits"].values()):
            del timed["image_ms"]
    assert one == two


@pytest.mark.slow
def test_a_frame_at_which_a_loader_worker_dies_is_named(
    tmp_path: Path, streets: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = samples_of(streets)[0].image
    monkeypatch.setattr("icnet.data.judged.read_instances", lambda label: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match=f"while it read .*{first.name}"):
        evaluate(tmp_path / "run", streets, f"ckpt={checkpoint}", "data.num_workers=1")
