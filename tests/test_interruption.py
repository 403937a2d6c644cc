"""Signals and kills from outside, on a real run in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from icnet.streets.write import write_streets
from icnet.tasks.setup.build import build
from tests.conftest import compose_run, write_checkpoint
from tests.kill_and_resume import ROOT, SETTINGS, start, try_kills, wait_for_first_row
from tests.recording import DRAWS, STOP_AFTER

pytestmark = pytest.mark.slow


def wait_for(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Wait until it holds, or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "status", "send"),
    [(signal.SIGINT, 130, os.killpg), (signal.SIGTERM, 143, os.killpg), (signal.SIGUSR1, 143, os.kill)],
)
def test_a_signal_saves_the_step_and_ends_with_its_own_status(
    tmp_path: Path, streets: Path, number: signal.Signals, status: int, send: Callable[[int, int], None]
) -> None:
    """To the run's first process alone, and to its whole group, as Ctrl-C and `timeout` do, with a loader worker in it."""
    folder = tmp_path / "run"
    process = start(folder, *SETTINGS, f"data.root={streets}", "trainer.max_steps=100000", "task.save_every_steps=null",
                    "trainer.val_check_interval=null", f"hydra.run.dir={folder}")  # fmt: skip
    wait_for_first_row(process, folder)
    time.sleep(0.5)
    send(process.pid, number)
    assert process.wait(timeout=60) == status
    said = (tmp_path / "run.out").read_text()
    assert f"stopped by {number.name} after step" in said
    assert "Traceback" not in said
    step = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert f"after step {step}, which is saved" in said
    assert not (folder / "results.json").exists()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Eight training and sixty validation scenes, which take some seconds to score; a checkpoint for them."""
    place = tmp_path_factory.mktemp("many")
    data = write_streets(place / "streets", train=8, val=60, size=(64, 128), seed=0)
    classes = build(compose_run([], place / "run").data.classes)
    return data, write_checkpoint(place / "a.ckpt", classes)


def hears_signals(pid: int) -> bool:
    """Whether the process has a handler of its own for SIGTERM."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


EVALUATE = ("task=evaluate", "ckpt={ckpt}", "data.root={data}", "data.prepare=null")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("settings", "begun"),
    [
        (EVALUATE, None),
        (EVALUATE, "Evaluating 60 frames"),
        ((*EVALUATE, "trainer.devices=2", "strategy=ddp"), "Evaluating 60 frames"),
        ((*SETTINGS, "data.root={data}", "trainer.max_steps=1", "data.num_workers=0"), "step 1: val/"),
        (("task=predict", "ckpt={ckpt}", "source={data}"), "images of"),
        (("task=prepare", "data.root={data}", "data.prepare=null"), ""),
        (("task=benchmark", "data=cityscapes", "data.root={data}", "task.samples=100000"), "Measuring"),
    ],
    ids=["start", "evaluate", "evaluate on two", "score", "predict", "prepare", "benchmark"],
)
def test_every_task_ends_by_a_signal_with_its_status_in_one_line(
    tmp_path: Path, many: tuple[Path, Path], settings: tuple[str, ...], begun: str | None, number: signal.Signals
) -> None:
    """To all its processes, after the run has said `begun`; "": when its folder is there; None: once it can be heard."""
    folder, log = tmp_path / "run", tmp_path / "run" / "run.log"
    given = [setting.format(data=many[0], ckpt=many[1]) for setting in settings]
    process = start(folder, *given, "trainer.accelerator=cpu", f"hydra.run.dir={folder}", err=subprocess.PIPE)
    if begun is None:
        wait_for(process, lambda: hears_signals(process.pid))
    elif begun == "":
        wait_for(process, folder.is_dir)
    else:
        wait_for(process, lambda: log.is_file() and begun in log.read_text())
        time.sleep(0.3)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == (130 if number == signal.SIGINT else 143), said.decode()
    (line,) = said.decode().splitlines()
    assert line.startswith(f"icnet: stopped by {number.name}")
    assert not (folder / "results.json").exists()
    assert not list(tmp_path.rglob("*.part*"))


def test_a_first_process_that_still_uploads_is_not_killed_because_the_others_have_ended(
    tmp_path: Path, streets: Path
) -> None:
    """Lightning looks every 5 s whether one of them failed."""
    folder = tmp_path / "run"
    told = {"PYTHONPATH": str(ROOT), DRAWS: str(tmp_path / "draws"), STOP_AFTER: "2"}
    process = start(folder, *SETTINGS, f"data.root={streets}", "trainer.devices=2", "strategy=ddp", "data.batch_size=1",
                    "data.num_workers=0", "data.augment._target_=tests.recording.RecordingAugment",
                    "+logger.slow._target_=tests.recording.SlowLogger", "+logger.slow.seconds=11",
                    f"hydra.run.dir={folder}", told=told)  # fmt: skip
    assert process.wait(timeout=120) == 143
    assert "icnet: stopped by SIGTERM after step 2, which is saved" in (tmp_path / "run.out").read_text()


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
