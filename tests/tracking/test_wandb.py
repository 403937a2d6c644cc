"""W&B beside a run: whether it is online, what a resumed run hands it, and that its failures stop nothing."""

from __future__ import annotations

import bisect
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.utilities import rank_zero_only
from tests.tracking.wandb_file import names_of, run_files
from tests.tracking.wandb_server import KEY, serve, serve_nobody

from icnet.tracking import wandb_run
from icnet.tracking.tracker import RunResult
from icnet.tracking.wandb_file import read_records
from icnet.tracking.wandb_run import WandbTracker
from icnet.training.metrics_file import write_rows

pytestmark = pytest.mark.usefixtures("nobody")


def made(folder: Path, **settings: Any) -> WandbTracker:
    folder.mkdir(exist_ok=True)
    return WandbTracker(folder, {"seed": 1}, "icnet", **settings)


def test_a_wandb_that_dies_is_one_warning(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = made(tmp_path)
    tracker.log_metrics({"train/loss": 1.0}, 0)
    assert kill_wandb()
    time.sleep(0.2)
    for step in range(1, 4):
        tracker.log_metrics({"train/loss": 1.0}, step)
    tracker.close(0)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def kill_wandb() -> int:
    """SIGKILL W&B's processes that are ours; returns their number."""
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb-core"], capture_output=True, text=True)
    for child in found.stdout.split():
        os.kill(int(child), signal.SIGKILL)
    return len(found.stdout.split())


def test_a_wandb_that_dies_while_it_uploads_is_one_warning(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fresh.setenv("WANDB_API_KEY", KEY)
    with serve() as server:
        fresh.setenv("WANDB_BASE_URL", server.address)
        tracker = made(tmp_path)
        tracker.log_metrics({"train/loss": 1.0}, 0)
        server.silent.set()
        threading.Timer(0.5, kill_wandb).start()
        tracker.close(0)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith("W&B: uploading failed")


def test_a_value_that_the_file_of_an_earlier_process_has_is_not_logged_again(tmp_path: Path) -> None:
    stopped = made(tmp_path)
    for done in (1, 2):
        stopped.log_metrics({"train/loss": 1.0}, done - 1)
    stopped.close(1)  # in the middle of the validation after step 2
    run_files(tmp_path)
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
    return sum(record.WhichOneof("record_type") == "history" for record, _ in read_records(data))


@pytest.mark.parametrize("torn", [True, False])
def test_a_killed_and_resumed_offline_run_is_uploaded_with_each_step_once(
    fresh: pytest.MonkeyPatch, tmp_path: Path, torn: bool
) -> None:
    killed = made(tmp_path)
    for done in (1, 2, 3, 4):
        killed.log_metrics({"train/loss": float(done)}, done - 1)
    killed.close(1)
    run_files(tmp_path)
    path = next(tmp_path.glob("wandb/*/*.wandb"))
    if torn:
        cut_after(path, rows=3)
    else:
        path.write_bytes(path.read_bytes()[:7])  # killed before W&B wrote anything
    write_rows(tmp_path / "metrics.csv", {done: {"train/loss": float(done)} for done in (1, 2, 3, 4)})
    resumed = made(tmp_path)
    resumed.go_on(2)
    for done in (3, 4, 5):
        resumed.log_metrics({"train/loss": float(done)}, done - 1)
    resumed.close(0)
    run_files(tmp_path)
    fresh.setenv("WANDB_API_KEY", KEY)
    with serve() as server:
        fresh.setenv("WANDB_BASE_URL", server.address)
        command = [sys.executable, "-m", "wandb", "sync", str(tmp_path / "wandb")]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        rows = [(row["trainer/global_step"], row["train/loss"]) for row in server.rows]
    assert rows == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0)]


def result(folder: Path) -> RunResult:
    best = folder / "best.ckpt"
    best.write_bytes(b"weights")
    return RunResult({"accuracy": 0.5}, {"checkpoint_sha256": "f" * 64}, None, best)


@pytest.mark.parametrize("artifact", [True, False])
def test_the_artifact_can_be_switched_off(tmp_path: Path, artifact: bool) -> None:
    made(tmp_path, artifact=artifact).log_result(result(tmp_path), 1)
    (file,) = run_files(tmp_path)
    assert len(file.artifacts) == artifact
    assert file.summary["best/accuracy"] == 0.5


def test_a_better_checkpoint_leaves_the_artifact_that_waits_for_its_upload_alone(tmp_path: Path) -> None:
    made(tmp_path).log_result(result(tmp_path), 1)
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
        ({}, f"machine SERVER login user password {KEY}", "online"),
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
    fresh.setenv("NETRC", str(tmp_path / "netrc"))
    for name, value in variables.items():
        fresh.setenv(name, value)
    with serve() as server:
        fresh.setenv("WANDB_BASE_URL", server.address)
        (tmp_path / "netrc").write_text(netrc.replace("SERVER", server.address.removeprefix("http://")))
        tracker = made(tmp_path / "run")
        run = tracker.experiment
        assert {"disabled": run.disabled, "offline": run.offline, "online": not (run.disabled or run.offline)}[mode]
        tracker.close(0)


def test_a_disabled_wandb_leaves_nothing_and_says_nothing(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fresh.setenv("WANDB_MODE", "disabled")
    tracker = made(tmp_path)
    tracker.log_metrics({"train/loss": 1.0}, 0)
    tracker.log_result(result(tmp_path), 1)
    assert run_files(tmp_path) == []
    assert caplog.text == ""


@pytest.mark.parametrize("kind", ["refuses", "is silent", "knows no such key"])
def test_a_run_with_a_key_goes_offline_without_a_server_that_takes_it(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    fresh.setenv("WANDB_API_KEY", KEY)
    fresh.setattr(wandb_run, "CONNECT_S", 1)
    caplog.set_level("INFO")
    with serve_nobody(kind) as address:
        fresh.setenv("WANDB_BASE_URL", address)
        tracker = made(tmp_path)
        tracker.log_metrics({"train/loss": 1.0}, 0)
        tracker.close(0)
    assert run_files(tmp_path)[0].rows[1]["train/loss"] == 1.0
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("W&B")]
    assert len(said) == 2
    assert said[0].startswith("W&B: the run is kept offline (")
    assert said[1] == f"W&B: upload with: wandb sync {tmp_path / 'wandb'}"


def test_a_run_with_a_key_is_online_and_resumed_fills_in_what_the_server_lacks(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fresh.setenv("WANDB_API_KEY", KEY)
    with serve() as server:
        fresh.setenv("WANDB_BASE_URL", server.address)
        killed = made(tmp_path)
        for done in (1, 2, 3):
            killed.log_metrics({"train/loss": float(done)}, done - 1)
        killed.close(1)
        assert [row["_step"] for row in server.rows] == [1, 2, 3]
        del server.rows[1:]  # what SIGKILL would have kept from it
        write_rows(tmp_path / "metrics.csv", {done: {"train/loss": float(done)} for done in (1, 2, 3)})
        resumed = made(tmp_path)
        resumed.go_on(2)
        for done in (3, 4):
            resumed.log_metrics({"train/loss": float(done)}, done - 1)
        resumed.close(0)
        rows = [(row["trainer/global_step"], row["train/loss"]) for row in server.rows]
    assert rows == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
    name = (tmp_path / "wandb" / "run_id").read_text()
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("W&B")]
    assert said == [f"W&B: {server.address}/me/icnet/runs/{name}"] * 2


def test_uploads_that_hang_hold_the_end_up_for_the_given_time_only(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fresh.setenv("WANDB_API_KEY", KEY)
    with serve() as server:
        fresh.setenv("WANDB_BASE_URL", server.address)
        tracker = made(tmp_path, upload_s=1)
        tracker.log_metrics({"train/loss": 1.0}, 0)
        server.silent.set()
        tracker.close(0)
    assert "uploading failed" in caplog.text
    assert f"wandb sync --include-online {tmp_path / 'wandb'}" in caplog.text
