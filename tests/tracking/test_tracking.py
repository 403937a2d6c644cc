"""What a run leaves with logger=wandb and logger=tensorboard, read back from their files; no network is asked."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
import wandb
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.conftest import TINY, Run, compose_run
from tests.tracking.wandb_file import RunFile, run_files

from icnet.cli import run_task
from icnet.data.dataset import SegmentationDataset
from icnet.data.images import read_image
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.layouts import CityscapesLayout
from icnet.data.subset import spread
from icnet.predict import Predictor
from icnet.tracking.dashboard import build_dashboard
from icnet.tracking.tensorboard import TensorBoardTracker
from icnet.tracking.tracker import LONGEST_SIDE
from icnet.training.checkpoint import Checkpoints
from icnet.training.metrics_file import read_rows
from icnet.visualize.rows import Row

pytestmark = pytest.mark.usefixtures("nobody")

SETTINGS = ("logger=[csv,wandb,tensorboard]", "trainer.max_steps=4", "trainer.val_check_interval=2")
STAGES = ("train/loss", "train/loss_sub4", "train/loss_sub24", "train/loss_sub124")


class Tracked(NamedTuple):
    """A finished run of four steps, validated after two and four, and all that it said."""

    folder: Path
    file: RunFile
    said: list[str]

    @property
    def csv(self) -> dict[int, dict[str, float]]:
        with (self.folder / "metrics.csv").open() as file:
            return {int(r.pop("step")): {k: float(v) for k, v in r.items() if v} for r in csv.DictReader(file)}

    @property
    def results(self) -> Any:
        return json.loads((self.folder / "results.json").read_text())

    @property
    def events(self) -> EventAccumulator:
        return EventAccumulator(str(self.folder / "tensorboard")).Reload()


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, streets: Path, nobody: None) -> Tracked:
    folder = tmp_path_factory.mktemp("tracked") / "run"
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("icnet")
    logger.addHandler(handler)
    level, _ = logger.level, logger.setLevel(logging.INFO)
    try:
        config = compose_run(["data.prepare=null", *TINY, f"data.root={streets}", *SETTINGS], folder)
        (folder / "expected.json").write_text(json.dumps(OmegaConf.to_container(config, resolve=True)))
        run_task(config)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    (file,) = run_files(folder)
    return Tracked(folder, file, said)


def frames(root: Path, classes: ClassTable) -> SegmentationDataset:
    return SegmentationDataset(CityscapesLayout(root).samples("val"), classes)


def test_the_curves_in_wandb_are_those_of_metrics_csv_at_the_same_steps(tracked: Tracked) -> None:
    assert list(tracked.file.rows) == list(tracked.csv) == [1, 2, 3, 4]
    for step, expected in tracked.csv.items():
        row = tracked.file.rows[step]
        assert row["trainer/global_step"] == row["_step"] == step
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_each_curve_that_is_promised_is_there(tracked: Tracked) -> None:
    for row in tracked.file.rows.values():
        assert {*STAGES, "lr", "train/images_per_second"} <= row.keys()
    for step in (2, 4):
        names = {name for name in tracked.file.rows[step] if name.startswith("val/")}
        assert {"val/loss", "val/miou", "val/pixel_accuracy", "val/iou/road", "val/iou/car"} <= names


def test_the_same_images_are_shown_at_each_validation_with_both_masks_and_class_names(tracked: Tracked) -> None:
    shown = [tracked.file.rows[step]["val/examples"] for step in (2, 4)]
    assert shown[0]["captions"] == shown[1]["captions"]
    assert len(shown[0]["captions"]) == 3
    for panel in shown:
        assert all(set(masks) == {"label", "prediction"} for masks in panel["all_masks"])
    kinds = tracked.file.config["_wandb"]["mask/class_labels"]
    assert len(kinds) == 2
    for kind in kinds.values():
        assert kind["value"]["0"] == "road"
        assert kind["value"][str(IGNORE)] == "ignored"


def test_the_masks_are_the_labels_and_what_the_network_predicts(tracked: Tracked, streets: Path) -> None:
    panel = tracked.file.rows[4]["val/examples"]
    predictor = Predictor.from_checkpoint(tracked.folder / "checkpoints" / "last.ckpt")
    classes = ClassTable(**tracked.results["protocol"]["classes"])
    data = frames(streets, classes)
    for index, (caption, file, masks) in enumerate(
        zip(panel["captions"], panel["filenames"], panel["all_masks"], strict=True)
    ):
        assert caption == data.samples[index].image.stem
        image, label = (t.numpy() for t in data[index])
        paths = {name: tracked.file.folder / "files" / mask["path"] for name, mask in masks.items()}
        read = {name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for name, path in paths.items()}
        np.testing.assert_array_equal(read["label"], label)
        np.testing.assert_array_equal(read["prediction"], predictor(image))
        seen = read_image(tracked.file.folder / "files" / file)
        assert np.abs(seen.astype(int) - image).mean() < 20  # it is a JPEG


def test_the_confusion_matrix_gives_back_the_iou_of_every_class(tracked: Tracked) -> None:
    table = json.loads(next(tracked.file.folder.rglob("confusion_table*.json")).read_text())
    names = list(tracked.results["metrics"]["iou"])
    place = {name: i for i, name in enumerate(names)}
    counts, shares = np.zeros((10, 10)), np.zeros((10, 10))
    for actual, predicted, share, pixels in table["data"]:
        counts[place[actual], place[predicted]] = pixels
        shares[place[actual], place[predicted]] = share or 0
    hit = counts.diagonal()
    with np.errstate(invalid="ignore"):
        iou = dict(zip(names, hit / (counts.sum(0) + counts.sum(1) - hit), strict=True))
    expected = {k: v for k, v in tracked.results["metrics"]["iou"].items() if v is not None}
    assert {k: iou[k] for k in expected} == pytest.approx(expected)
    assert set(shares.sum(1).round()) <= {0, 100}
    chart = tracked.file.config["_wandb"]["visualize"]["confusion"]["panel_config"]
    assert chart["panelDefId"] == "wandb/confusion_matrix/v1"


def test_the_summary_has_the_best_scores_and_the_protocol(tracked: Tracked) -> None:
    metrics, summary = tracked.results["metrics"], tracked.file.summary
    assert summary["best/miou"] == metrics["miou"]
    assert summary["best/iou/building"] == metrics["iou"]["building"]
    assert summary["protocol"] == tracked.results["protocol"]
    scores = [row["val/miou"] for row in tracked.csv.values() if "val/miou" in row]
    assert summary["val/miou"] == pytest.approx({"max": max(scores), "last": scores[-1]})


def test_the_config_is_the_resolved_configuration(tracked: Tracked) -> None:
    expected = json.loads((tracked.folder / "expected.json").read_text())
    assert {key: tracked.file.config[key] for key in expected} == expected
    assert tracked.file.run.project == "icnet"
    assert tracked.file.run.display_name == "streets"


def test_the_best_checkpoint_is_an_artifact_that_needs_no_file_outside_of_the_folder(tracked: Tracked) -> None:
    entries = [entry for artifact in tracked.file.artifacts for entry in artifact.manifest.contents]
    assert all(Path(entry.local_path).is_relative_to(tracked.folder) for entry in entries)
    (artifact,) = [artifact for artifact in tracked.file.artifacts if artifact.type == "model"]
    assert set(artifact.aliases) == {"latest", "best"}  # in any order: W&B keeps a set
    (entry,) = artifact.manifest.contents
    content = (tracked.folder / "checkpoints" / "best.ckpt").read_bytes()
    assert entry.path == "best.ckpt"
    assert Path(entry.local_path).read_bytes() == content
    assert entry.digest == base64.b64encode(hashlib.md5(content).digest()).decode()


def test_without_a_key_a_run_is_offline_by_itself_and_says_how_to_upload_it(tracked: Tracked) -> None:
    assert tracked.said[-1] == f"W&B: upload with: wandb sync {tracked.folder / 'wandb'}"
    assert tracked.file.exit_code == 0
    assert (tracked.folder / "wandb" / "run_id").read_text() == tracked.file.run.run_id


@pytest.mark.slow
def test_tracking_changes_no_weight(tracked: Tracked, run_icnet: Run) -> None:
    plain = run_icnet("logger=csv", *SETTINGS[1:])
    states = [
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for f in (plain, tracked.folder)
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_tensorboard_has_the_same_curves_at_the_same_steps(tracked: Tracked) -> None:
    events = tracked.events
    for name in sorted({name for row in tracked.csv.values() for name in row}):
        points = {event.step: event.value for event in events.Scalars(name)}
        assert points == pytest.approx({s: row[name] for s, row in tracked.csv.items() if name in row}, rel=1e-6), name


def test_tensorboard_has_the_pictures_the_configuration_and_the_scores(tracked: Tracked) -> None:
    events = tracked.events
    assert [event.step for event in events.Images("val/examples")] == [2, 4]
    assert [event.step for event in events.Images("confusion")] == [4]
    picture = cv2.imdecode(np.frombuffer(events.Images("val/examples")[0].encoded_image_string, np.uint8), 1)
    assert picture is not None
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    text = {tag: event.tensor_proto.string_val[0].decode() for tag in ("config", "protocol")
            for event in events.Tensors(f"{tag}/text_summary")}  # fmt: skip
    assert "max_steps: 4" in text["config"]
    assert tracked.results["protocol"]["checkpoint_sha256"] in text["protocol"]
    assert events.Scalars("best/miou")[0].value == pytest.approx(tracked.results["metrics"]["miou"])
    assert events.PluginTagToContent("hparams")


class _Killed(Exception):
    pass


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_wandb_run_and_tensorboard_forgets_what_comes_twice(
    run_icnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Checkpoints, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 3:
            raise _Killed

    folder = tmp_path / "run"
    monkeypatch.setattr(Checkpoints, "on_train_batch_start", die)
    with pytest.raises(_Killed):
        run_icnet(*SETTINGS)
    monkeypatch.undo()
    run_icnet(*SETTINGS, f"task.resume={folder}")

    killed, resumed = run_files(folder)
    assert killed.run.run_id == resumed.run.run_id
    assert (list(killed.rows), list(resumed.rows)) == ([1, 2, 3], [4])  # step 3 was logged, but not saved
    assert (killed.exit_code, resumed.exit_code) == (1, 0)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]


def test_tensorboard_forgets_all_of_a_run_that_was_killed_before_its_first_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour, value in enumerate((1.0, 2.0)):  # the names of the files begin with their time
        monkeypatch.setattr(time, "time", lambda hour=hour: 1.8e9 + 3600 * hour)
        tracker = TensorBoardTracker(tmp_path, {})
        tracker.go_on(0)
        tracker.log_metrics({"train/loss": value}, 0)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 2.0)]


def test_a_run_goes_on_when_wandb_fails_at_its_start(
    run_icnet: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise wandb.Error("out of order")

    monkeypatch.setattr(wandb, "init", fail)
    folder = run_icnet("logger=wandb")
    assert (folder / "results.json").is_file()
    assert list(read_rows(folder / "metrics.csv")) == [1, 2]  # without logger=csv, too
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and "W&B" in r.getMessage()] == [
        "W&B: the start failed (out of order). Training goes on without; metrics.csv has all values"
    ]


@pytest.mark.filterwarnings("ignore:Pydantic V1:DeprecationWarning")
def test_every_panel_of_the_dashboard_shows_something_that_a_run_logs(tracked: Tracked) -> None:
    logged = {name for row in tracked.file.rows.values() for name in row} | set(tracked.file.summary)
    sections = build_dashboard("me", "icnet")._spec["spec"]["section"]["panelBankConfig"]["sections"]
    for panel in (panel["config"] for section in sections for panel in section["panels"]):
        shown = [panel.get("xAxis", ""), panel.get("yAxis", ""), panel.get("targetKey", "")]
        shown += (
            panel.get("metrics", []) + panel.get("mediaKeys", []) + [c["accessor"] for c in panel.get("columns", [])]
        )
        for name in shown:
            if name.startswith("config:"):
                group, _, key = name.removeprefix("config:").split(".")
                assert key in tracked.file.config[group]
            elif name:
                assert name.removeprefix("summary:") in logged


def test_a_large_frame_is_shown_at_1024_pixels_with_labels_as_they_are() -> None:
    label = np.zeros((1024, 2048), np.uint8)
    label[:, 1024:] = IGNORE
    row = Row(np.zeros((1024, 2048, 3), np.uint8), label, label, "frame").shrink(LONGEST_SIDE)
    assert row.image.shape == (512, 1024, 3)
    assert set(np.unique(row.label)) == {0, IGNORE}


@pytest.mark.parametrize(("length", "places"), [(3, [0, 1, 2]), (4, [0, 1, 2, 3]), (10, [0, 3, 6, 9]), (1, [0])])
def test_examples_are_spread_over_the_split(length: int, places: list[int]) -> None:
    assert spread(length, 4) == places
