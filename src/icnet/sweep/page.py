"""sweep.html: the jobs of a sweep on one page that needs no network, with links to their reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from icnet.report.figures import plots
from icnet.report.frame import fill_frame, write_frame
from icnet.report.markup import EMPTY, Html, duration, join, section, table_of, tag, text
from icnet.report.run import Run
from icnet.report.scores import card
from icnet.sweep.ledger import FILE, Job, Ledger
from icnet.sweep.plot import draw_sweep
from icnet.sweep.summary import (
    SeedGroup,
    choices_of,
    group_seeds,
    percent,
    rank,
    say_counts,
    say_seeds,
    settings_of,
    swept_keys,
)
from icnet.sweep.table import show_state


def write_page(ledger: Ledger) -> Path:
    """Write figures/sweep.png and sweep.html in the folder of the sweep."""
    jobs = list(ledger.jobs.values())
    draw_sweep(jobs, ledger.folder / "figures" / "sweep.png")
    folder = ledger.folder.resolve()
    name = "/".join(folder.parts[-2:])
    sections = join(part for part in _sections(jobs, folder))
    opening = tag("p", text(f"{say_counts(jobs)}."), class_="opening")
    return write_frame(
        ledger.folder / "sweep.html", fill_frame("sweep", name, opening, sections, f"{FILE} and figures/")
    )


def _sections(jobs: Sequence[Job], folder: Path) -> Iterator[Html]:
    groups = group_seeds(jobs)
    yield tag("dl", join(_cards(jobs, groups)), class_="cards")
    yield plots(Run(folder, {}))
    yield section("Jobs, best first", _job_table(jobs))
    yield _seed_table(groups)
    yield section("Settings of all jobs", table_of(_common(jobs)))


def _cards(jobs: Sequence[Job], groups: Sequence[SeedGroup]) -> Iterator[Html]:
    best = rank(jobs)[0] if jobs else None
    if best is not None and best.miou is not None:
        choices = ", ".join(f"{key}={value}" for key, value in choices_of(best, swept_keys(jobs)).items())
        yield card("Best mIoU", percent(best.miou), "%", choices)
    if groups:
        yield card("Best mean mIoU", percent(groups[0].mean), "%", say_seeds(groups[0]))
    yield card("Jobs done", str(sum(job.state == "done" for job in jobs)), f"of {len(jobs)}", "")
    yield card("Time of all jobs", duration(sum(job.seconds for job in jobs)), "", "")


def _job_table(jobs: Sequence[Job]) -> Html:
    keys = swept_keys(jobs)
    names = ("Job", *keys, "mIoU, %", "", "Pixel accuracy, %", "Time", "State")
    head = tag("thead", tag("tr", join(tag("th", text(name)) for name in names)))
    top = max((job.miou or 0.0 for job in jobs), default=0.0) or 1.0
    body = tag("tbody", join(_row(job, keys, top) for job in rank(jobs)))
    return tag("div", tag("table", head + body, class_="jobs"), class_="scroll")


def _row(job: Job, keys: Sequence[str], top: float) -> Html:
    """top: the best mIoU, whose bar is full."""
    number: Html = text(job.number)
    if job.state == "done":
        number = tag("a", number, href=f"{job.number}/report.html")
    bar = EMPTY if job.miou is None else tag("div", tag("i", "", style=_width(job.miou / top)), class_="bar")
    accuracy = percent((job.metrics or {}).get("pixel_accuracy"))
    cells = [*map(text, choices_of(job, keys).values()), text(percent(job.miou)), bar, text(accuracy)]
    cells += [text(duration(job.seconds) if job.seconds else "")]
    state = tag("td", text(f"failed: {job.error}" if job.state == "failed" else show_state(job)), class_="long")
    return tag("tr", tag("th", number, scope="row") + "".join(tag("td", cell) for cell in cells) + state)


def _seed_table(groups: Sequence[SeedGroup]) -> Html:
    rows = {", ".join(f"{k}={v}" for k, v in g.settings.items()) or "all jobs": say_seeds(g) for g in groups}
    return section("Over seeds: mean and standard deviation", table_of(rows))


def _common(jobs: Sequence[Job]) -> dict[str, str]:
    """What was given on the command line and is the same for every job."""
    keys = swept_keys(jobs)
    return {key: value for key, value in (settings_of(jobs[0]) if jobs else {}).items() if key not in keys}


def _width(share: float) -> str:
    return f"width:{percent(share)}%;background:var(--accent)"
