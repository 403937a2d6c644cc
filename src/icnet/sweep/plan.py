"""What is left to do for each job: nothing, to go on from its checkpoint, or to start with an empty folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from icnet.errors import ConfigError, ICNetError
from icnet.sweep.ledger import FILE, Job, Ledger, read_metrics

Step = Literal["none", "resume", "start"]
ASIDE = "failed"  # folder of the sweep to which the folders of failed attempts are moved


def check_folder(folder: Path) -> None:
    """Refuse a folder without a ledger that holds a run, or numbered runs: they would be taken for jobs of this sweep."""
    if not folder.is_dir() or (folder / FILE).is_file():
        return
    found = [p.name for p in folder.iterdir() if p.name.isdigit() or p.name in (".hydra", "results.json")]
    if found:
        raise ConfigError(
            f"{folder} has no {FILE}, but {min(found)}: it was made by something else; choose another hydra.sweep.dir"
        )


def plan_jobs(ledger: Ledger, wanted: Sequence[tuple[int, Sequence[str]]]) -> list[Job]:
    """The jobs of (number, overrides) as they stand: those of the ledger, brought up to date, and new ones.

    A job whose results are there is done, also where the sweep was killed before it could note it; one that was running
    then has been interrupted.
    """
    return [_stand(ledger, number, tuple(overrides)) for number, overrides in wanted]


def next_step(job: Job) -> Step:
    """What to do with a job: a failed one starts anew, since it would fail from its checkpoint again."""
    if job.state == "done":
        return "none"
    has_checkpoint = any(Path(job.folder).glob("**/checkpoints/last.ckpt"))  # a compression has one in each round
    return "resume" if has_checkpoint and job.state != "failed" else "start"


def move_aside(job: Job) -> None:
    """Make room for a new start: what an earlier attempt left goes to SWEEP/failed/NUMBER_ATTEMPT."""
    folder = Path(job.folder)
    if not folder.exists():
        return
    aside = folder.parent / ASIDE
    try:
        aside.mkdir(exist_ok=True)
        attempt = len(list(aside.glob(f"{job.number}_*"))) + 1
        os.replace(folder, aside / f"{job.number}_{attempt}")
    except OSError as error:
        raise ICNetError(f"{folder} cannot be moved to {aside}: {error.strerror}; delete one of them") from error


def _stand(ledger: Ledger, number: int, overrides: tuple[str, ...]) -> Job:
    folder = (ledger.folder / str(number)).resolve()
    job = ledger.jobs.get(number) or Job(number, overrides, str(folder))
    job = replace(job, overrides=overrides, folder=str(folder))
    metrics = job.metrics if job.state == "done" else read_metrics(folder)
    if metrics is not None:
        return replace(job, state="done", metrics=metrics, error=None)
    return replace(job, state="interrupted") if job.state == "running" else job
