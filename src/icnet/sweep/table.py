"""The table of a sweep on the terminal: best mIoU first, then means over seeds."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from icnet.errors import DataError
from icnet.report.values import duration
from icnet.sweep.ledger import Job, Ledger
from icnet.sweep.summary import choices_of, group_seeds, percent, rank, say_counts, say_seeds, swept_keys
from icnet.visualize.history import read_history

_STYLES = {"failed": "red", "interrupted": "yellow", "running": "cyan"}


def print_sweep(ledger: Ledger, console: Console | None = None) -> None:
    """Print the jobs of a ledger as they stand."""
    console = console or Console()
    jobs = list(ledger.jobs.values())
    console.print(escape(f"Sweep in {ledger.folder}: {say_counts(jobs)}"), highlight=False, soft_wrap=True)
    console.print(build_table(jobs))
    for group in group_seeds(jobs):
        choice = " ".join(f"{key}={value}" for key, value in group.settings.items())
        console.print(f"mIoU {escape(choice + ': ' if choice else '')}{say_seeds(group)}", highlight=False)
    for job in jobs:
        if job.state == "failed":
            console.print(escape(f"job {job.number}: {job.error}"), style="red", highlight=False, soft_wrap=True)


def build_table(jobs: list[Job]) -> Table:
    """A row per job: number, swept settings, mIoU and pixel accuracy in per cent, time, state."""
    keys = swept_keys(jobs)
    table = Table()
    for name in ("job", *keys, "mIoU %", "acc. %", "time", "state"):
        table.add_column(escape(name), justify="left" if name == "state" else "right", overflow="fold")
    for job in rank(jobs):
        scores = (percent(job.miou), percent((job.metrics or {}).get("pixel_accuracy")))
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
