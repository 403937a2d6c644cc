"""The table of a sweep on the terminal: best mIoU first, then means over seeds, and what they let one conclude."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icnet.errors import DataError
from icnet.report.values import duration
from icnet.sweep.compare import ONE_SEED, compare_settings, has_one_seed, say_difference
from icnet.sweep.curve import fit_curves, say_gain
from icnet.sweep.ledger import Job, Ledger
from icnet.sweep.summary import (
    choices_of,
    group_seeds,
    image_ms,
    percent,
    rank,
    say_counts,
    say_seeds,
    say_settings,
    swept_keys,
)
from icnet.visualize.history import read_history

_STYLES = {"failed": "red", "interrupted": "yellow", "running": "cyan"}


def print_sweep(ledger: Ledger, console: Console | None = None) -> None:
    """Print the jobs of a ledger as they stand."""
    console = console or Console()
    jobs = list(ledger.jobs.values())
    console.print(escape(f"Sweep in {ledger.folder}: {say_counts(jobs)}"), highlight=False, soft_wrap=True)
    console.print(build_table(jobs))
    for line in say_findings(jobs):
        console.print(escape(line), highlight=False, soft_wrap=True)
    for job in jobs:
        if job.state == "failed":
            console.print(escape(f"job {job.number}: {job.error}"), style="red", highlight=False, soft_wrap=True)


def say_findings(jobs: list[Job]) -> Iterator[str]:
    """The means over seeds, the best settings against each of the others, what more frames would bring."""
    groups = group_seeds(jobs)
    if has_one_seed(groups):
        yield ONE_SEED
    else:
        yield from (f"{say_settings(group.settings)}: mIoU {say_seeds(group)}" for group in groups)
    for found in compare_settings(jobs)[: len(groups) - 1]:
        yield f"{say_settings(found.a)} against {say_settings(found.b)}: {say_difference(found)}"
    for curve in fit_curves(jobs):
        yield f"{say_settings(curve.settings)}: {say_gain(curve)}"


def build_table(jobs: list[Job]) -> Table:
    """A row per job: number, swept settings, mIoU and pixel accuracy in per cent, ms of an image, time, state."""
    keys = swept_keys(jobs)
    table = Table()
    for name in ("job", *keys, "mIoU %", "acc. %", "ms", "time", "state"):
        table.add_column(escape(name), justify="left" if name == "state" else "right", overflow="fold")
    for job in rank(jobs):
        scores = (percent(job.miou), percent((job.metrics or {}).get("pixel_accuracy")), image_ms(job))
        took = duration(job.seconds) if job.seconds else ""
        cells = (str(job.number), *choices_of(job, keys).values(), *scores, took, show_state(job))
        table.add_row(*map(escape, cells), style=_STYLES.get(job.state))
    return table


def show_state(job: Job) -> str:
    """The state, and how far a running job has come."""
    return f"running{_progress(Path(job.folder))}" if job.state == "running" else job.state


def _progress(folder: Path) -> str:
    try:
        steps, values = read_history(folder / "metrics.csv").series("val/miou")
    except DataError:  # nothing logged yet
        return ""
    return f", mIoU {percent(values[-1])} % at step {steps[-1]}" if steps else ""
