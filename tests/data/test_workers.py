from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from icnet.data.dataset import SegmentationDataset, TrainSampler
from icnet.data.images import write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import FolderLayout
from icnet.data.pack.read import open_packs
from icnet.data.pack.write import pack
from icnet.data.transforms import Augment
from icnet.data.workers import Board, init_worker, naming_deaths, worker_context
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)])
FRAMES = 40


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames of 96x128."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    for kind, shape, top in (("images", (96, 128, 3), 256), ("labels", (96, 128), 2)):
        (folder / kind / "train").mkdir(parents=True)
        for number in range(FRAMES):
            write_image(folder / kind / "train" / f"{number:02d}.png", rng.integers(0, top, shape, np.uint8))
    return folder


def frames(root: Path, packed: bool = False) -> SegmentationDataset:
    samples = FolderLayout(root).samples("train")
    if packed:
        pack(samples, CLASSES, root / "packed" / "train")
    packs = open_packs([root / "packed" / "train"], samples, CLASSES) if packed else None
    return SegmentationDataset(samples, CLASSES, Augment((64, 64)), packed=packs)


class Deadly(SegmentationDataset):
    """Frames of which number 7 kills the process that reads it."""

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if index == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(index)  # type: ignore[return-value]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 3])
def test_a_worker_that_is_killed_is_named_with_its_sample(root: Path, tmp_path: Path, workers: int) -> None:
    """In a process of its own: torch raises its errors wherever the main thread is by then."""
    said = tmp_path / "said"
    process = multiprocessing.get_context("fork").Process(target=read_to_death, args=(root, workers, said))
    process.start()
    process.join()
    assert process.exitcode == 0
    line = said.read_text()
    assert str(root / "images/train/07.png") in line
    assert line.count(".png") == 1
    assert "data.num_workers" in line
    assert "\n" not in line


def read_to_death(root: Path, workers: int, said: Path) -> None:
    data = Deadly(FolderLayout(root).samples("train"), CLASSES)
    loader = DataLoader(data, num_workers=workers, worker_init_fn=init_worker, multiprocessing_context="fork")
    try:
        naming_deaths(lambda: list(loader), lambda: [frames(root).board, data.board])
    except DataError as error:
        said.write_text(str(error))


def fail(error: Exception) -> Callable[[], None]:
    def use() -> None:
        raise error

    return use


def test_torch_may_tell_of_a_death_while_the_broken_connection_is_handled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler runs before it can be taken away."""
    told = iter([RuntimeError("DataLoader worker (pid 13) is killed by signal: Killed. ")])
    replace = signal.signal

    def interrupted(number: int, handler: Any) -> Any:
        if (error := next(told, None)) is not None:
            raise error
        return replace(number, handler)

    board = Board([Path("a.png")])
    board.rows[0] = torch.tensor([13, 0])
    monkeypatch.setattr(signal, "signal", interrupted)
    with pytest.raises(DataError, match=r"while it read a\.png"):
        naming_deaths(fail(ConnectionResetError()), lambda: [board])


@pytest.mark.parametrize(
    ("torchs", "read"),
    [
        ("DataLoader worker (pid(s) 11, 13) exited unexpectedly", r"a\.png, b/c\.png:"),
        ("DataLoader worker (pid 13) is killed by signal: Killed. ", r"b/c\.png:"),
        ("DataLoader worker (pid(s) 12) exited unexpectedly", "its first frame"),
    ],
)
def test_each_way_torch_says_that_a_worker_died_is_understood(torchs: str, read: str) -> None:
    board = Board([Path("a.png"), Path("b/c.png")])
    board.rows[0], board.rows[2] = torch.tensor([11, 0]), torch.tensor([13, 1])
    with pytest.raises(DataError, match=f"while it read {read}"):
        naming_deaths(fail(RuntimeError(torchs)), lambda: [board])


@pytest.mark.parametrize(
    "torchs",
    [
        "unable to write to file </torch_37_12_0>: No space left on device (28)",
        "unable to allocate shared memory(shm) for file </torch_37_12_0>: No space left on device (28)",
        "DataLoader worker (pid 13) is killed by signal: Bus error. Workers are out of shared memory.",
    ],
)
def test_a_want_of_shared_memory_is_called_that(torchs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=64 << 20))  # Docker's
    with pytest.raises(DataError, match=r"no room in /dev/shm.*shm-size"):
        naming_deaths(fail(RuntimeError(torchs)), lambda: [Board([])])


def test_a_bus_error_where_there_is_plenty_of_shared_memory_is_the_death_of_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as of one that reads a file that somebody shortens."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=64 << 30))
    said = "DataLoader worker (pid 13) is killed by signal: Bus error. Workers are out of shared memory."
    with pytest.raises(DataError, match="while it read"):
        naming_deaths(fail(RuntimeError(said)), lambda: [Board([])])


def test_a_connection_that_broke_while_all_workers_live_is_no_death() -> None:
    with pytest.raises(ConnectionResetError):
        naming_deaths(fail(ConnectionResetError()), lambda: [Board([Path("a.png")])])


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        naming_deaths(fail(RuntimeError("CUDA error: out of memory")), lambda: [Board([])])


class Threads(Dataset[Tensor]):
    """How many threads a worker computes with."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor([cv2.getNumThreads(), torch.get_num_threads()])


def test_workers_compute_with_one_thread_each() -> None:
    loader = DataLoader(Threads(), num_workers=1, worker_init_fn=init_worker, multiprocessing_context="fork")
    assert next(iter(loader)).tolist() == [[1, 1]]


at_fork: list[Callable[[], None]] = []
os.register_at_fork(after_in_child=lambda: [act() for act in at_fork])


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="this system does not tell who sent a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_worker_ends_when_its_parent_says_so_and_no_other(number: signal.Signals) -> None:
    """As Ctrl-C, `timeout` and SLURM signal every process of a run; also where a library starts a thread at a fork."""
    context: Any = worker_context()
    ready, more = context.Event(), context.Event()
    at_fork.append(lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start())

    def work() -> None:
        init_worker(0)
        ready.set()
        more.wait()

    worker = context.Process(target=work, daemon=True)
    worker.start()
    at_fork.clear()
    ready.wait()
    subprocess.run(["kill", f"-{number.name.removeprefix('SIG')}", str(worker.pid)], check=True)
    worker.join(0.3)
    assert worker.is_alive()
    os.kill(worker.pid or 0, number)
    worker.join(10)
    assert worker.exitcode == 0


def own_bytes(process: int) -> int:
    """Memory of a process that it shares with nobody: what it wrote to."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("Private_Dirty", "Swap:")))


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_the_memory_of_workers_stays_flat_over_20_epochs(root: Path, packed: bool) -> None:
    """Forked from a process that has done nothing else: what other tests leave in it is no memory of workers."""
    process = multiprocessing.get_context("spawn").Process(target=check_memory, args=(root, packed))
    process.start()
    process.join()
    assert process.exitcode == 0


def check_memory(root: Path, packed: bool) -> None:
    data = frames(root, packed)
    sampler = TrainSampler(FRAMES, 4, seed=0)
    loader = DataLoader(
        data,
        4,
        sampler=sampler,
        num_workers=2,
        persistent_workers=True,
        worker_init_fn=init_worker,
        multiprocessing_context="fork",
    )
    owned = list(measured(loader, sampler))
    assert max(owned[10:]) < owned[9] + 2e6  # until then pages that were shared become their own


def measured(loader: DataLoader[Tensor], sampler: TrainSampler) -> Iterator[int]:
    """What the workers own after each epoch."""
    for epoch in range(20):
        sampler.set_epoch(epoch)
        for _ in loader:
            pass
        workers = {int(row[0]) for row in loader.dataset.board.rows.tolist() if row[0] >= 0}  # type: ignore[attr-defined]
        assert len(workers) == 2
        yield sum(map(own_bytes, workers))
