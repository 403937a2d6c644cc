"""Runs the jobs of a sweep, some of them side by side, and notes each change in the ledger."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from icnet.sweep.ledger import Job, Ledger, read_metrics
from icnet.sweep.plan import move_aside, next_step
from icnet.sweep.process import JobProcess, outcome
from icnet.sweep.summary import describe_change

log = logging.getLogger(__name__)

Start = Callable[[Job], JobProcess]
_LOOK_S = 0.1  # how often the jobs are looked at
_GRACE_S = 30.0  # what a job that was told to stop has to save itself


class Stop:
    """The signal that told the sweep to stop; None while it may go on."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        self.received = signal.Signals(number)


class Crew:
    """Up to `slots` jobs at a time. start: makes the process of a job; ended: told of each job that has ended."""

    def __init__(self, ledger: Ledger, slots: int, start: Start, ended: Callable[[Job], None]) -> None:
        self._ledger, self._slots, self._start, self._ended = ledger, slots, start, ended
        self._running: list[JobProcess] = []

    def run(self, jobs: Sequence[Job]) -> None:
        """Run all that is left to do of `jobs`. After SIGTERM or Ctrl-C: SystemExit with 143 or 130."""
        waiting = deque(job for job in jobs if next_step(job) != "none")
        with catch_signals() as stop:
            try:
                while (waiting or self._running) and stop.received is None:
                    while waiting and len(self._running) < self._slots:
                        self._begin(waiting.popleft())
                    time.sleep(_LOOK_S)
                    self._collect(stopping=False)
                if stop.received is not None:
                    self._stop(stop.received)
            finally:
                for process in self._running:
                    process.kill()

    def _begin(self, job: Job) -> None:
        if next_step(job) == "start":
            move_aside(job)
        log.info(describe_change(job, next_step(job)))
        self._running.append(self._start(job))
        self._ledger.change(job.number, state="running", error=None)

    def _collect(self, *, stopping: bool) -> None:
        """Note the jobs that have ended."""
        for process in [p for p in self._running if p.poll() is not None]:
            self._running.remove(process)
            state, error = outcome(process.job, process.poll() or 0, process.last_line(), stopping=stopping)
            metrics = read_metrics(process.job.path) if state == "done" else None
            seconds = process.seconds
            job = self._ledger.change(process.job.number, state=state, error=error, metrics=metrics, seconds=seconds)
            log.info(describe_change(job))
            self._ended(job)

    def _stop(self, number: signal.Signals) -> None:
        log.info("%s: the jobs save themselves, for %d s at most", number.name, _GRACE_S)
        for process in self._running:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while self._running and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            self._collect(stopping=True)
        for process in self._running:
            process.kill()
        self._collect(stopping=True)
        raise SystemExit(128 + number)


@contextmanager
def catch_signals() -> Iterator[Stop]:
    """Note SIGTERM and SIGINT instead of ending at once. Only the main thread may set handlers."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    earlier = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
