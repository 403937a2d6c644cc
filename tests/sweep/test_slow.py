"""Real sweeps of tiny trainings, each in processes of its own: failing, killed, repeated, over seeds, over devices."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]
SETTINGS = (*TINY, "data.prepare=null", "scheduler.warmup_steps=0", "trainer.val_check_interval=null")

pytestmark = pytest.mark.slow


@contextmanager
def running(folder: Path, *overrides: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep that is killed, if it still runs, when the test is over."""
    command = [sys.executable, str(ROOT / "run.py"), "-m", *SETTINGS, f"hydra.sweep.dir={folder}", *overrides]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder.parent, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def sweep(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    with running(folder, *overrides) as process:
        out, err = process.communicate(timeout=580)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def jobs_of(folder: Path) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = json.loads((folder / "sweep.json").read_text())["jobs"]
    return jobs


def states_of(folder: Path) -> list[str]:
    return [job["state"] for job in jobs_of(folder)]


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text().replace("\0", " ")
        except (OSError, UnicodeDecodeError):  # it has just ended
            continue
        if str(folder) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_failed_job_leaves_the_others_alone_and_alone_is_repeated(tmp_path: Path, streets: Path) -> None:
    folder, late = tmp_path / "sweep", tmp_path / "late"
    overrides = (f"data.root={streets},{late}", "trainer.max_steps=1")
    first = sweep(folder, *overrides)
    assert first.returncode == 1
    assert first.stderr.splitlines()[-1].startswith("icnet: 1 of 2 done, 1 failed")
    assert "Traceback" not in first.stderr
    done, failed = jobs_of(folder)
    assert (done["state"], failed["state"]) == ("done", "failed")
    assert failed["error"].startswith(f"icnet: there is no folder {late}")
    assert done["metrics"]["miou"] == json.loads((folder / "0" / "results.json").read_text())["metrics"]["miou"]
    assert {"sweep.html", "figures", "0", "1"} <= {p.name for p in folder.iterdir()}

    late.symlink_to(streets)
    written = (folder / "0" / "results.json").stat().st_mtime_ns
    again = sweep(folder, *overrides)
    assert again.returncode == 0, again.stderr
    assert states_of(folder) == ["done", "done"]
    assert (folder / "0" / "results.json").stat().st_mtime_ns == written
    assert "2 of 2 done" in " ".join(again.stdout.split())

    other = sweep(folder, f"data.root={streets},{late}", "trainer.max_steps=2")
    assert other.returncode == 1
    assert "has trainer.max_steps=1, this sweep trainer.max_steps=2" in other.stderr
    assert states_of(folder) == ["done", "done"]


def test_a_typo_in_one_job_is_refused_at_once_and_nothing_is_written(tmp_path: Path, streets: Path) -> None:
    done = sweep(tmp_path / "sweep", f"data.root={streets}", "loss.sub4=0.1,0.2,many")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "icnet: job 2: loss.sub4 is 'many': expected float"
    assert list(tmp_path.iterdir()) == []


def test_a_killed_sweep_leaves_no_process_and_goes_on_with_two_devices_and_one(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "sweep"
    overrides = (
        f"data.root={streets}", "trainer.devices=2,1", "strategy=ddp", "data.batch_size=1", "trainer.max_steps=30",
        "task.save_every_steps=1",
    )  # fmt: skip
    with running(folder, *overrides) as process:
        last = folder / "0" / "checkpoints" / "last.ckpt"
        wait_for(lambda: last.is_file() or process.poll() is not None, 300)
        assert len(processes_of(folder)) >= 4  # the sweep, a supervisor, two ranks
        process.kill()
    wait_for(lambda: processes_of(folder) == [], 5)
    assert states_of(folder) == ["running", "pending"]

    again = sweep(folder, *overrides)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("goes on from its checkpoint") == 1
    assert states_of(folder) == ["done", "done"]
    protocols = [json.loads((folder / str(n) / "results.json").read_text())["protocol"] for n in (0, 1)]
    assert [protocol["train_samples"] for protocol in protocols] == [60, 30]
    assert not (tmp_path / "outputs").exists()  # no rank has made a folder of its own


def test_sigterm_lets_the_jobs_save_themselves(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "sweep"
    with running(folder, f"data.root={streets}", "seed=0,1", "trainer.max_steps=100000") as process:
        wait_for(lambda: (folder / "0" / "metrics.csv").is_file() or process.poll() is not None, 300)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert states_of(folder) == ["interrupted", "pending"]
    assert (folder / "0" / "checkpoints" / "last.ckpt").is_file()
    assert err.splitlines()[-1].startswith("icnet: stopped by SIGTERM; 0 of 2 done, 1 interrupted, 1 pending; the same")
    assert processes_of(folder) == []


def test_a_sweep_over_shares_and_seeds_ends_with_means_deviations_and_what_tells_them_apart(
    tmp_path: Path, streets: Path
) -> None:
    folder = tmp_path / "sweep"
    shares = ("sweep=labels", "data.train_share=0.5,1", "seed=0,1", "sweep.jobs=2", "trainer.max_steps=1")
    done = sweep(folder, f"data.root={streets}", *shares)
    assert done.returncode == 0, done.stderr
    scores: dict[int, list[float]] = {}
    for number, job in enumerate(jobs_of(folder)):
        protocol = json.loads((folder / str(number) / "results.json").read_text())["protocol"]
        scores.setdefault(protocol["train_images"], []).append(job["metrics"]["miou"])
    for values in ([100 * score for score in scores[count]] for count in (3, 6)):
        assert f"mIoU {statistics.mean(values):.2f} ± {statistics.stdev(values):.2f} % over 2 seeds" in done.stdout
    (pair,) = json.loads((folder / "sweep.json").read_text())["pairs"]
    apart = statistics.mean(scores[3]) - statistics.mean(scores[6])
    assert abs(pair["difference"]) == pytest.approx(abs(apart), abs=1e-8)
    assert pair["says"] in done.stdout
    assert pair["says"] in (folder / "sweep.html").read_text()


def test_folds_judge_every_frame_once_and_make_one_queue(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "sweep"
    asked = ("task=evaluate", "task.folds=2", "task.queue=6", "task.queue_pixels=9", "trainer.max_steps=1")
    done = sweep(folder, f"data.root={streets}", *asked)
    assert done.returncode == 0, done.stderr
    queue, *parts = (json.loads((folder / name / "queue.json").read_text()) for name in ("", "0", "1"))
    assert queue["frames"] == sum(part["frames"] for part in parts) == 9
    trained = [json.loads((folder / n / "results.json").read_text())["protocol"]["train_images"] for n in "01"]
    assert trained == [9 - part["frames"] for part in parts]
    regions = sorted((r for part in parts for r in part["regions"]), key=lambda region: -region["confidence"])
    assert queue["regions"] == regions[:6]
    assert f"Which labels to mend: {folder}/queue.html" in done.stdout


def test_a_search_goes_on_after_a_stop(tmp_path: Path, streets: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")
    folder = tmp_path / "sweep"
    overrides = ("sweep=loss_weights_optuna", f"data.root={streets}", "trainer.max_steps=1")
    first = sweep(folder, *overrides, "hydra.sweeper.n_trials=1")
    assert first.returncode == 0, first.stderr
    again = sweep(folder, *overrides, "hydra.sweeper.n_trials=2")
    assert again.returncode == 0, again.stderr
    assert states_of(folder) == ["done", "done"]
    study = optuna.load_study("loss_weights", f"sqlite:///{folder}/study.db")
    assert [trial.value for trial in study.trials] == [job["metrics"]["miou"] for job in jobs_of(folder)]
    assert len({job["overrides"][0] for job in jobs_of(folder)}) == 2
