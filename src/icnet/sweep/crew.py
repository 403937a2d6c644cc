"""Runs the jobs of a sweep, some of them side by side, and notes each change in the ledger."""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from icnet.signals import interrupted, take_over
from icnet.sweep.ledger import Job, Ledger, read_metrics
from icnet.sweep.plan import Step, move_aside, next_step
from icnet.sweep.process import JobProcess, outcome
from icnet.sweep.summary import name_job, say_counts, say_state

log = logging.getLogger(__name__)

Start = Callable[[Job, Step], JobProcess]
_LOOK_S = 0.1  # how often the jobs are looked at
_GRACE_S = 30.0  # what a job that was told to stop has to save itself


class Crew:
    """Up to `slots` jobs at a time. start: makes the process of a job; ended: told the number of each job that has ended."""

    def __init__(self, ledger: Ledger, slots: int, start: Start, ended: Callable[[int], None]) -> None:
        self._ledger, self._slots, self._start, self._ended = ledger, slots, start, ended
        self._running: list[JobProcess] = []

    def run(self, jobs: Sequence[Job]) -> None:
        """Run all that is left to do of `jobs`. A first signal has them save themselves before it raises `Interrupted`."""
        waiting = deque(job for job in jobs if next_step(job) != "none")
        received: list[int] = []
        take_over(received.append)
        try:
            while (waiting or self._running) and not received:
                while waiting and len(self._running) < self._slots:
                    self._begin(waiting.popleft())
                time.sleep(_LOOK_S)
                self._collect(stopping=False)
            if received:
                self._stop()
                jobs, folder = list(self._ledger.jobs.values()), self._ledger.folder
                goes_on = f"; {say_counts(jobs)}; the same command with hydra.sweep.dir={folder} goes on"
                raise interrupted(received[0], goes_on)
        finally:
            take_over(None)
            for process in self._running:
                process.kill()

    def _begin(self, job: Job) -> None:
        step = next_step(job)
        if step == "start":
            move_aside(job)
        self._ledger.change(job.number, state="running", error=None)
        self._say(job, "goes on from its checkpoint" if step == "resume" else "starts")
        self._running.append(self._start(job, step))

    def _collect(self, *, stopping: bool) -> None:
        """Note the jobs that have ended."""
        for process in [p for p in self._running if p.poll() is not None]:
            self._running.remove(process)
            state, error = outcome(process.job, process.poll() or 0, process.last_line(), stopping=stopping)
            metrics = read_metrics(Path(process.job.folder)) if state == "done" else None
            seconds = process.seconds
            job = self._ledger.change(process.job.number, state=state, error=error, metrics=metrics, seconds=seconds)
            self._say(job, say_state(job))
            self._ended(job.number)

    def _stop(self) -> None:
        log.info("Stopping: the running jobs get %d s to save themselves; once more ends them at once", _GRACE_S)
        for process in self._running:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while self._running and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            self._collect(stopping=True)
        for process in self._running:
            process.kill()
        self._collect(stopping=True)

    def _say(self, job: Job, what: str) -> None:
        log.info("%s: %s", name_job(job, list(self._ledger.jobs.values())), what)
