"""Signals and kills from outside, on a real run in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"this machine allows no mount: {done.stderr.strip()}")


def fill(disk: Path) -> Path:
    """Take what is free on a disk."""
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    return filler


def test_a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_room(small_disk: Path, streets: Path) -> None:
    folder = small_disk / "run"
    settings = (*SETTINGS, f"data.root={streets}", "trainer.max_steps=600", "data.num_workers=0")
    process = start(folder, *settings, f"hydra.run.dir={folder}")
    while not (folder / "checkpoints" / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.02)
    filler = fill(small_disk)
    assert process.wait(timeout=120) == 1
    said = (small_disk / "run.out").read_bytes().decode(errors="ignore")  # that file, too, found the disk full
    assert "Traceback" not in said
    torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert not list(folder.rglob("*.part"))
    filler.unlink()
    assert start(folder, f"task.resume={folder}", "trainer.max_steps=20").wait(timeout=120) == 0


def test_a_folder_that_becomes_read_only_is_one_line(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, *SETTINGS, f"data.root={streets}", "trainer.max_steps=100000", f"hydra.run.dir={folder}")
    wait_for_first_row(process, folder)
    if os.geteuid() == 0:  # who may write anywhere but on what is mounted to be read
        mount("--bind", str(folder), str(folder))
        mount("-o", "remount,ro,bind", str(folder))
    else:
        folder.chmod(0o500)
    try:
        assert process.wait(timeout=120) == 1
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)
    said = (tmp_path / "run.out").read_text()
    assert "cannot be written (Read-only file system)" in said or "cannot be written (Permission denied)" in said
    assert "Traceback" not in said


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
