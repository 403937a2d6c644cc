"""What a run leaves with logger=wandb and logger=tensorboard, read back from their files; no network is asked."""

from __future__ import annotations

import base64
import bisect
import contextlib
import csv
import hashlib
import http.server
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
import wandb
from omegaconf import OmegaConf
from pytorch_lightning.utilities import rank_zero_only
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.conftest import TINY, Run, compose_run
from tests.kill_and_resume import SETTINGS as SMALL
from tests.kill_and_resume import start, wait_for_first_row
from tests.tasks.wandb_file import RunFile, run_files

from icnet.cli import run_task
from icnet.dashboard import build_dashboard
from icnet.data.dataset import SegmentationDataset
from icnet.data.images import read_image
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.layouts import CityscapesLayout
from icnet.predict import Predictor
from icnet.tasks import tracking
from icnet.tasks.tensorboard import TensorBoardTracker
from icnet.tasks.tracking import WandbTracker
from icnet.tasks.wandb_file import read_records
from icnet.training.checkpoint import Checkpoints
from icnet.training.metrics_file import read_rows, write_rows
from icnet.training.tracking import Outcome, shrink, spread
from icnet.visualize.rows import Row

pytestmark = pytest.mark.xdist_group("tracking")

CLOSED = "http://127.0.0.1:9"  # nobody listens there
KEY = "0" * 40
SETTINGS = ("logger=[csv,wandb,tensorboard]", "trainer.max_steps=4", "trainer.val_check_interval=2")
STAGES = ("train/loss", "train/loss_sub4", "train/loss_sub24", "train/loss_sub124")


@pytest.fixture(scope="module", autouse=True)
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """A user without a key, whose every question to W&B would be refused."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("NETRC", str(home / "netrc"))
        patch.setenv("WANDB_BASE_URL", CLOSED)
        wandb.teardown()
        yield patch
    wandb.teardown()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """W&B reads the environment once a process: make it read again, now and afterwards."""
    wandb.teardown()
    yield monkeypatch
    with contextlib.suppress(OSError):
        wandb.teardown()


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
def tracked(tmp_path_factory: pytest.TempPathFactory, streets: Path) -> Tracked:
    folder = tmp_path_factory.mktemp("tracked") / "run"
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("icnet")
    logger.addHandler(handler)
    level, _ = logger.level, logger.setLevel(logging.INFO)
    try:
        config = compose_run(["~experiment", "data.prepare=null", *TINY, f"data.root={streets}", *SETTINGS], folder)
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


def test_tensorboard_forgets_all_of_a_run_that_was_killed_before_its_first_checkpoint(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
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


def made(folder: Path, **settings: Any) -> WandbTracker:
    folder.mkdir(exist_ok=True)
    return WandbTracker(folder, {"seed": 1}, "icnet", **settings)


def test_a_wandb_that_dies_is_one_warning(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = made(tmp_path)
    tracker.log_metrics({"train/loss": 1.0}, 0)
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb-core"], capture_output=True, text=True)
    for child in children.stdout.split():
        os.kill(int(child), signal.SIGKILL)
    time.sleep(0.2)
    for step in range(1, 4):
        tracker.log_metrics({"train/loss": 1.0}, step)
    tracker.close(0)
    assert children.stdout
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_a_value_that_the_file_of_an_earlier_process_has_is_not_logged_again(tmp_path: Path) -> None:
    stopped = made(tmp_path)
    for done in (1, 2):
        stopped.log_metrics({"train/loss": 1.0}, done - 1)
    stopped.close(1)  # in the middle of the validation after step 2
    resumed = made(tmp_path)
    for done in (2, 3):
        resumed.log_metrics({"train/loss": 1.0}, done - 1)
        resumed.log_metrics({"val/miou": 0.5}, done - 1)
    resumed.close(0)
    first, second = run_files(tmp_path)
    assert [names_of(first, step) for step in first.rows] == [{"train/loss"}, {"train/loss"}]
    assert {step: names_of(second, step) for step in second.rows} == {2: {"val/miou"}, 3: {"train/loss", "val/miou"}}


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_what_a_kill_kept_from_the_file_is_filled_in_from_metrics_csv(tmp_path: Path, kept: int) -> None:
    killed = made(tmp_path)
    for done in (1, 2, 3, 4):
        killed.log_metrics({"train/loss": float(done)}, done - 1)
    killed.close(0)
    run_files(tmp_path)
    cut_after(next(tmp_path.glob("wandb/*/*.wandb")), rows=kept)
    write_rows(tmp_path / "metrics.csv", {done: {"train/loss": float(done)} for done in (1, 2, 3, 4)})
    resumed = made(tmp_path)
    resumed.go_on(2)
    for done in (3, 4, 5):
        resumed.log_metrics({"train/loss": float(done)}, done - 1)
    resumed.close(0)
    first, second = run_files(tmp_path)
    assert list(first.rows) == [1, 2, 3][:kept]
    assert [(step, row["train/loss"]) for step, row in (first.rows | second.rows).items()] == [
        (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0)
    ]  # fmt: skip
    assert not first.rows.keys() & second.rows.keys()


def cut_after(path: Path, rows: int) -> None:
    """Cut a file of W&B's in the middle of the record that follows this many logged rows, as SIGKILL does."""
    data = path.read_bytes()
    kept = bisect.bisect_right(range(len(data)), rows, key=lambda n: count_rows(data[:n]))
    path.write_bytes(data[: kept - 1])


def count_rows(data: bytes) -> int:
    return sum(record.WhichOneof("record_type") == "history" for record in read_records(data))


def names_of(file: RunFile, step: int) -> set[str]:
    """The names that a row has of us; its step aside."""
    return {name for name in file.rows[step] if not name.startswith(("_", "trainer/"))}


def outcome(folder: Path) -> Outcome:
    best = folder / "best.ckpt"
    best.write_bytes(b"weights")
    return Outcome({"accuracy": 0.5}, {"checkpoint_sha256": "f" * 64}, None, best)


@pytest.mark.parametrize("artifact", [True, False])
def test_the_artifact_can_be_switched_off(tmp_path: Path, artifact: bool) -> None:
    made(tmp_path, artifact=artifact).log_outcome(outcome(tmp_path), 1)
    (file,) = run_files(tmp_path)
    assert len(file.artifacts) == artifact
    assert file.summary["best/accuracy"] == 0.5


def test_a_better_checkpoint_leaves_the_artifact_that_waits_for_its_upload_alone(tmp_path: Path) -> None:
    made(tmp_path).log_outcome(outcome(tmp_path), 1)
    better = tmp_path / "better.ckpt"
    better.write_bytes(b"better weights")
    os.replace(better, tmp_path / "best.ckpt")
    (entry,) = run_files(tmp_path)[0].artifacts[0].manifest.contents
    assert Path(entry.local_path).read_bytes() == b"weights"


def test_further_processes_never_talk_to_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    tracker = made(tmp_path)
    _ = tracker.experiment
    tracker.log_metrics({"train/loss": 1.0}, 0)
    tracker.finalize("failed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "netrc", "mode"),
    [
        ({}, "", "offline"),
        ({"WANDB_API_KEY": KEY}, "", "online"),
        ({"WANDB_API_KEY": "tooshort"}, "", "offline"),
        ({}, f"machine 127.0.0.1:9 login user password {KEY}", "online"),
        ({}, f"machine api.wandb.ai login user password {KEY}", "offline"),  # a key of another server
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "", "offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "dryrun"}, "", "offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "disabled"}, "", "disabled"),
        ({"WANDB_MODE": "online"}, "", "offline"),
    ],
)
def test_a_key_makes_a_run_online_unless_wandb_mode_says_otherwise(
    fresh: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], netrc: str, mode: str
) -> None:
    (tmp_path / "netrc").write_text(netrc)
    fresh.setenv("NETRC", str(tmp_path / "netrc"))
    for name, value in variables.items():
        fresh.setenv(name, value)
    wandb.setup(wandb.Settings(silent=True))
    assert tracking.choose_mode() == mode


def test_a_disabled_wandb_leaves_nothing_and_says_nothing(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fresh.setenv("WANDB_MODE", "disabled")
    tracker = made(tmp_path)
    tracker.log_metrics({"train/loss": 1.0}, 0)
    tracker.log_outcome(outcome(tmp_path), 1)
    assert run_files(tmp_path) == []
    assert caplog.text == ""


@contextlib.contextmanager
def server(kind: str) -> Iterator[str]:
    """The address of a W&B that refuses connections, accepts them and says nothing, or knows no such key."""
    if kind == "refuses":
        yield CLOSED
    elif kind == "is silent":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    else:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), KnowsNobody) as listener:
            threading.Thread(target=listener.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{listener.server_port}"
            listener.shutdown()


class KnowsNobody(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(401)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("kind", ["refuses", "is silent", "knows no such key"])
def test_a_run_with_a_key_goes_offline_without_a_server_that_takes_it(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    fresh.setenv("WANDB_API_KEY", KEY)
    fresh.setattr(tracking, "CONNECT_S", 1)
    caplog.set_level("INFO")
    with server(kind) as address:
        fresh.setenv("WANDB_BASE_URL", address)
        tracker = made(tmp_path)
        tracker.log_metrics({"train/loss": 1.0}, 0)
        tracker.close(0)
    assert run_files(tmp_path)[0].rows[1]["train/loss"] == 1.0
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("W&B")]
    assert len(said) == 2
    assert said[0].startswith("W&B: cannot be reached (")
    assert said[1] == f"W&B: upload with: wandb sync {tmp_path / 'wandb'}"


def on_a_terminal(folder: Path, **variables: str) -> float:
    """Track one step at a terminal where nobody answers; nothing may be shown there. Returns the seconds it took."""
    code = (
        f"from icnet.tasks.tracking import *; WandbTracker(Path({str(folder)!r}), {{}}, 'icnet').log_metrics({{}}, 0)"
    )
    ours, theirs = os.openpty()
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=100,
        env=os.environ | variables,
    )
    assert done.returncode == 0
    assert run_files(folder)[0].exit_code == 1  # ended without a word from Lightning
    shown = os.read(ours, 10_000).decode() if select.select([ours], [], [], 0)[0] else ""
    assert [line for line in shown.splitlines() if "cannot be reached" not in line] == []
    return time.monotonic() - begin


@pytest.mark.slow
def test_nothing_is_asked_on_a_terminal_without_a_key(tmp_path: Path) -> None:
    on_a_terminal(tmp_path)


@pytest.mark.slow
def test_with_a_key_and_no_answer_a_run_goes_offline_after_twenty_seconds(tmp_path: Path) -> None:
    with server("is silent") as address:
        assert 20 <= on_a_terminal(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=address) < 85  # W&B's own patience: 90


@pytest.mark.slow
def test_two_processes_are_one_wandb_run_and_their_images_count_together(tmp_path: Path, streets: Path) -> None:
    overrides = [
        "~experiment", "data.prepare=null", *TINY, f"data.root={streets}", "logger=[csv,wandb]", "strategy=ddp",
        "trainer.devices=2", "data.batch_size=1", f"hydra.run.dir={tmp_path / 'run'}",
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "run.py", *overrides], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    (file,) = run_files(tmp_path / "run")
    assert [len(row) > 5 for row in file.rows.values()] == [True, True]
    assert len(file.rows[2]["val/examples"]["captions"]) == 2  # of the three frames the first process has two
    assert done.stdout.count("wandb sync") == 1


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_has_each_value_once(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    loggers = ("logger=[wandb,tensorboard]", "hydra.job_logging.root.level=WARNING")
    process = start(folder, *SMALL, *loggers, f"data.root={streets}", f"hydra.run.dir={folder}")
    while len(read_rows(folder / "metrics.csv")) < 14 and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for core in cores_of(folder):  # it has a process group of its own
        os.kill(core, signal.SIGKILL)
    assert start(folder, f"task.resume={folder}").wait(timeout=300) == 0

    files, rows = run_files(folder), read_rows(folder / "metrics.csv")
    assert len({file.run.run_id for file in files}) == 1
    found = Counter((step, name) for file in files for step in file.rows for name in names_of(file, step))
    assert {(step, name) for step, row in rows.items() for name in row} <= found.keys()
    assert set(found.values()) == {1}
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(rows)


def cores_of(folder: Path) -> list[int]:
    """W&B's processes that have a file of this run open."""
    found = subprocess.run(["pgrep", "-x", "wandb-core"], capture_output=True, text=True).stdout.split()
    return [int(pid) for pid in found if str(folder) in " ".join(map(os.readlink, Path(f"/proc/{pid}/fd").iterdir()))]


@pytest.mark.slow
def test_training_goes_on_to_its_end_when_the_process_of_wandb_is_killed(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, *SMALL, "logger=wandb", f"data.root={streets}", f"hydra.run.dir={folder}")
    wait_for_first_row(process, folder)
    for core in cores_of(folder):
        os.kill(core, signal.SIGKILL)
    assert process.wait(timeout=300) == 0
    said = (tmp_path / "run.out").read_text()
    assert said.count("W&B: logging failed") == 1
    assert said.count("Training goes on without") == 1
    assert f"wandb sync {folder / 'wandb'}" in said
    assert "Traceback" not in said
    assert (folder / "results.json").is_file()


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
    row = shrink(Row(np.zeros((1024, 2048, 3), np.uint8), label, label, "frame"))
    assert row.image.shape == (512, 1024, 3)
    assert set(np.unique(row.label)) == {0, IGNORE}


@pytest.mark.parametrize(("length", "places"), [(3, [0, 1, 2]), (4, [0, 1, 2, 3]), (10, [0, 3, 6, 9]), (1, [0])])
def test_examples_are_spread_over_the_split(length: int, places: list[int]) -> None:
    assert spread(length, 4) == places
