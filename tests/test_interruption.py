"""Signals and kills from outside, on a real run in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.kill_and_resume import SETTINGS, start, try_kills, wait_for_first_row

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_a_signal_saves_the_step_and_ends_with_its_own_status(
    tmp_path: Path, streets: Path, number: signal.Signals, status: int
) -> None:
    folder = tmp_path / "run"
    process = start(folder, *SETTINGS, f"data.root={streets}", "trainer.max_steps=100000", "data.num_workers=0",
                    "task.save_every_steps=null", "trainer.val_check_interval=null", f"hydra.run.dir={folder}")  # fmt: skip
    wait_for_first_row(process, folder)
    time.sleep(0.5)
    os.kill(process.pid, number)
    assert process.wait(timeout=60) == status
    said = (tmp_path / "run.out").read_text()
    assert f"stopped by {number.name} after step" in said
    assert "Traceback" not in said
    step = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert f"after step {step}, which is saved" in said
    assert not (folder / "results.json").exists()


def test_two_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    try_kills(times=2, seed=int.from_bytes(os.urandom(2)), folder=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, *SETTINGS, f"data.root={streets}", f"hydra.run.dir={folder}")
    wait_for_first_row(process, folder)
    folder.chmod(0o500)
    assert process.wait(timeout=120) == 1
    assert "cannot be written" in (tmp_path / "run.out").read_text()


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(line) for line in listed.split()]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").is_file() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("victim", ["first", "second"])
def test_a_process_that_dies_ends_the_run_and_leaves_no_orphan(tmp_path: Path, streets: Path, victim: str) -> None:
    folder = tmp_path / "run"
    process = start(folder, *SETTINGS, f"data.root={streets}", "trainer.max_steps=100000", "data.num_workers=0",
                    "trainer.val_check_interval=null", "data.batch_size=1", "trainer.devices=2", "strategy=ddp",
                    f"hydra.run.dir={folder}")  # fmt: skip
    wait_for_first_row(process, folder)
    followers = children_of(process.pid)
    assert followers
    os.kill(process.pid if victim == "first" else followers[0], signal.SIGKILL)
    assert process.wait(timeout=30) != 0
    deadline = time.monotonic() + 30
    while any(is_alive(pid) for pid in followers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [pid for pid in followers if is_alive(pid)]
