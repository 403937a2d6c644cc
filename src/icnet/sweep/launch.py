"""A sweep while it runs: takes jobs from Hydra's sweeper, does what is left to do of them, keeps the ledger."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from icnet.errors import ICNetError
from icnet.sweep.check import is_grid
from icnet.sweep.command import build_command, build_environment
from icnet.sweep.crew import Crew
from icnet.sweep.ledger import FILE, Job, Ledger, read_ledger
from icnet.sweep.plan import Step, next_step, plan_jobs
from icnet.sweep.process import JobProcess
from icnet.sweep.share import Shares, open_shares
from icnet.sweep.summary import say_counts

log = logging.getLogger(__name__)


class Sweep:
    """The sweep in config.hydra.sweep.dir. Its sweeper may ask for all jobs at once (a grid) or for a few at a time."""

    def __init__(self, config: DictConfig, loader: ConfigLoader) -> None:
        self.config, self._loader = config, loader
        self._ledger: Ledger | None = None

    def launch(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
        """Run what is left to do of these jobs; they come back in the given order, as they ended."""
        ledger = self._open()
        numbers = self._number(ledger, job_overrides, first)
        jobs = plan_jobs(ledger, list(zip(numbers, job_overrides, strict=True)))
        ledger.put(*jobs)
        left = sum(next_step(job) != "none" for job in jobs)
        log.info("Sweep in %s: %s", ledger.folder, say_counts(list(ledger.jobs.values())))
        if left:
            slots = min(left, self.config.sweep.jobs)
            shares = open_shares(slots)
            Crew(ledger, slots, lambda job, step: self._start(job, step, shares), shares.give_back).run(jobs)
        self._check_search(ledger)
        return [ledger.jobs[number] for number in numbers]

    def _open(self) -> Ledger:
        """The ledger, with a lock on the folder that ends with this process however it ends."""
        if self._ledger is None:
            folder = Path(self.config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(folder)
            self._ledger = read_ledger(folder) if (folder / FILE).is_file() else Ledger(folder)
        return self._ledger

    def _number(self, ledger: Ledger, job_overrides: Sequence[Sequence[str]], first: int) -> list[int]:
        """The sweeper's numbers in a grid. A search counts from 0 again when it goes on: its new jobs follow the old."""
        if is_grid(self.config):
            return list(range(first, first + len(job_overrides)))
        numbers: list[int] = []
        for overrides in job_overrides:
            same = [n for n, job in ledger.jobs.items() if set(job.overrides) == set(overrides) and job.state != "done"]
            free = max([-1, *ledger.jobs, *numbers]) + 1
            numbers.append(next((n for n in same if n not in numbers), free))
        return numbers

    def _check_search(self, ledger: Ledger) -> None:
        """Optuna would end with a traceback where no trial has a value."""
        enough = len(ledger.jobs) >= self.config.hydra.sweeper.get("n_trials", len(ledger.jobs) + 1)
        if enough and not ledger.count("done"):
            raise ICNetError(f"no job of the search in {ledger.folder} has a result: {FILE} there has their errors")

    def _start(self, job: Job, step: Step, shares: Shares) -> JobProcess:
        trainer = self._loader.load_sweep_config(self.config, list(job.overrides)).trainer
        share = shares.take(job.number, trainer.devices, trainer.accelerator)
        environment = build_environment(os.environ, threads=share.threads, gpus=share.gpus)
        return JobProcess(job, build_command(job, step, self.config), environment)


def lock_folder(folder: Path) -> BaseFileLock:
    """Keep a second sweep out of the folder, until the lock is released or the process ends."""
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise ICNetError(f"another sweep runs in {folder}: wait for it, or choose another hydra.sweep.dir") from None
    return lock
