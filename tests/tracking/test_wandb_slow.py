"""W&B beside real runs: kills, terminals, networks that say nothing, several processes, sweeps."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.conftest import TINY
from tests.kill_and_resume import SETTINGS, start, wait_for_first_row
from tests.tracking.wandb_file import names_of, run_files
from tests.tracking.wandb_server import KEY, serve_nobody

from icnet.training.metrics_file import read_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nobody")]


def on_a_terminal(folder: Path, **variables: str) -> float:
    """Track one step at a terminal where nobody answers; nothing may be shown there. Returns the seconds it took."""
    code = f"from icnet.tracking.wandb_run import *; WandbTracker(Path({str(folder)!r}), {{}}, 'icnet').log_metrics({{}}, 0)"
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
    assert [line for line in shown.splitlines() if "the run is kept offline" not in line] == []
    return time.monotonic() - begin


def test_nothing_is_asked_on_a_terminal_without_a_key(tmp_path: Path) -> None:
    on_a_terminal(tmp_path)


def test_with_a_key_and_no_answer_a_run_goes_offline_after_twenty_seconds(tmp_path: Path) -> None:
    with serve_nobody("is silent") as address:
        assert 20 <= on_a_terminal(tmp_path, WANDB_API_KEY=KEY, WANDB_BASE_URL=address) < 85  # W&B's own patience: 90


def test_two_processes_are_one_wandb_run_and_their_images_count_together(tmp_path: Path, streets: Path) -> None:
    overrides = [
        "data.prepare=null", *TINY, f"data.root={streets}", "logger=[csv,wandb]", "strategy=ddp",
        "trainer.devices=2", "data.batch_size=1", f"hydra.run.dir={tmp_path / 'run'}",
    ]  # fmt: skip
    done = subprocess.run([sys.executable, "run.py", *overrides], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    (file,) = run_files(tmp_path / "run")
    assert [len(row) > 5 for row in file.rows.values()] == [True, True]
    assert len(file.rows[2]["val/examples"]["captions"]) == 2  # of the three frames the first process has two
    assert done.stdout.count("wandb sync") == 1


def test_a_run_that_is_killed_and_resumed_has_each_value_once(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    loggers = ("logger=[wandb,tensorboard]", "hydra.job_logging.root.level=WARNING")
    process = start(folder, *SETTINGS, *loggers, f"data.root={streets}", f"hydra.run.dir={folder}")
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


def test_training_goes_on_to_its_end_when_the_process_of_wandb_is_killed(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, *SETTINGS, "logger=wandb", f"data.root={streets}", f"hydra.run.dir={folder}")
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


def test_the_jobs_of_a_sweep_are_runs_of_their_own_in_one_group(tmp_path: Path, streets: Path) -> None:
    overrides = ["data.prepare=null", *TINY, f"data.root={streets}", "logger=wandb", "seed=0,1"]
    folder = tmp_path / "a" / "sweep"
    subprocess.run([sys.executable, "run.py", "-m", *overrides, f"hydra.sweep.dir={folder}"], check=True, timeout=500)
    files = [file for number in ("0", "1") for file in run_files(folder / number)]
    assert len({file.run.run_id for file in files}) == 2
    assert [(file.run.run_group, file.exit_code) for file in files] == [("a/sweep", 0)] * 2
