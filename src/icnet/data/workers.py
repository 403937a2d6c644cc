"""The processes of a loader: how they start, and what one of them was reading when it died."""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TypeVar

import cv2
import torch
from torch.utils.data import get_worker_info

from icnet.errors import DataError
from icnet.signals import SIGNALS

Result = TypeVar("Result")
_OF_LOADERS = (RuntimeError, ConnectionError, EOFError)
_MOST = 256  # workers of a loader that a board has room for
_SHARED = Path("/dev/shm")  # memory in which workers hand over what they read
_SMALL = 1 << 30  # bytes of it in all: a bus error is then a write beyond its end, else a file that got shorter
_FULL = ("shared memory", "write to file </torch_")  # in what torch says where it is full
_DEATH = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:exited unexpectedly|is killed by signal)")


def init_worker(worker: int) -> None:
    """Loader workers are the parallelism: OpenCV and torch keep to one thread in each."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    heed_parent_alone()
    gc.freeze()  # the collector would touch every object of the parent, and so copy the pages they share


if sys.platform != "win32":
    from multiprocessing.context import ForkContext, ForkProcess

    class Worker(ForkProcess):
        """A process that begins with `SIGNALS` blocked: libraries that look after themselves at a fork (OpenTelemetry does,
        and with it W&B) start threads in it before `init_worker` is called, and one that took a signal would end it."""

        def start(self) -> None:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                super().start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    class WorkerContext(ForkContext):
        """Where a loader takes its workers from."""

        Process = Worker


def worker_context() -> BaseContext | None:
    """For a DataLoader that has workers; None, the system's own way, where processes are not forked."""
    return WorkerContext() if multiprocessing.get_start_method() == "fork" else None


def heed_parent_alone() -> None:
    """Ctrl-C, `timeout` and SLURM signal every process of a run: a worker ends when its parent, which may need it to finish
    a step, tells it to."""
    sys.excepthook = lambda *error: None  # called in the thread alone that hands over memory, when the parent has left
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_end_when_told, daemon=True).start()


def _end_when_told() -> None:
    while signal.sigwaitinfo(SIGNALS).si_pid != os.getppid():
        pass
    os._exit(0)


class Board:
    """Memory shared with the workers of a data set, in which each says the sample that it reads.

    files: of the samples.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.rows = torch.full((_MOST, 2), -1, dtype=torch.int64)  # process and sample of each
        self.rows.share_memory_()  # type: ignore[no-untyped-call]

    def write(self, sample: int) -> None:
        """Say the sample that this process begins to read, where it is a worker."""
        worker = get_worker_info()
        if worker is not None and worker.id < _MOST:
            self.rows[worker.id] = torch.tensor([os.getpid(), sample])

    def processes(self) -> set[int]:
        """The workers that have begun to read."""
        return {process for process, _ in self.rows.tolist() if process >= 0}

    def files_of(self, processes: set[int]) -> list[Path]:
        """What these processes read last."""
        return [self.files[sample] for process, sample in self.rows.tolist() if process in processes]


def naming_deaths(use: Callable[[], Result], find_boards: Callable[[], Sequence[Board]]) -> Result:
    """What `use` returns, which reads from loaders: what torch says of a worker that died becomes one error that names its
    sample.

    find_boards: asked then, as data sets may be made anew before they are read.
    """
    handler = None
    try:
        try:
            return use()
        except _OF_LOADERS:  # torch's handler would raise once more, wherever we are by then: also here
            handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            raise
    except _OF_LOADERS as error:
        handler = handler or signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if _lacks_room(error):
            raise DataError(
                f"the loader workers find no room in {_SHARED}, through which they hand over what they read: make it larger "
                "(docker run --shm-size=8g), or take fewer of them (data.num_workers), 0 needs none"
            ) from error
        boards = find_boards()
        dead = find_dead(error, boards)
        if not dead:
            signal.signal(signal.SIGCHLD, handler)
            raise
        raise describe_death(dead, boards) from error


def _lacks_room(error: Exception) -> bool:
    words = str(error)
    is_small = _SHARED.is_dir() and shutil.disk_usage(_SHARED).total < _SMALL
    return isinstance(error, RuntimeError) and (
        ("Bus error" in words and is_small) or ("Bus error" not in words and any(sign in words for sign in _FULL))
    )


def find_dead(error: Exception, boards: Sequence[Board]) -> set[int]:
    """The workers that died, where the error comes from that: torch names them, or the connection to one broke."""
    named = _DEATH.search(str(error))
    if named is not None:
        return {int(number) for number in named[1].split(",")}
    if isinstance(error, RuntimeError):
        return set()
    for _ in range(10):  # it closes its connections before it is seen to be dead
        alive = {process.pid for process in multiprocessing.active_children()}
        dead = {process for board in boards for process in board.processes()} - alive
        if dead:
            return dead
        time.sleep(0.1)
    return set()


def describe_death(dead: set[int], boards: Sequence[Board]) -> DataError:
    """What a user can do about it."""
    read = ", ".join(str(file) for board in boards for file in board.files_of(dead)) or "its first frame"
    return DataError(
        f"a loader worker was killed or crashed while it read {read}: mostly for want of memory; lower data.num_workers or "
        "data.batch_size, or, where it is always the same file, look at it with data.num_workers=0"
    )
