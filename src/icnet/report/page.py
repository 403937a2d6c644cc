"""Write report.html: one page with everything in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from icnet.errors import DataError
from icnet.report.figures import examples, plots
from icnet.report.frame import fill_frame, write_frame
from icnet.report.markup import EMPTY, Html, join, section, table_of, tag, text
from icnet.report.run import Run, read_run
from icnet.report.scores import cards, classes, further_scores, opening


def write_report(folder: Path) -> Path:
    """Write report.html from what the run left in `folder`; an earlier report stays untouched when that fails."""
    return write_frame(folder / "report.html", build_page(read_run(folder)))


def build_page(run: Run) -> str:
    """The page as one string."""
    sections = join(part(run) for part in SECTIONS)
    source = "results.json, metrics.csv and figures/"
    return fill_frame(run.task, run.name, opening(run), sections, source)


def _protocol(run: Run) -> Html:
    """What makes the numbers comparable; the classes have a table of their own."""
    return section("Protocol", table_of({key: value for key, value in run.protocol.items() if key != "classes"}))


def _configuration(run: Run) -> Html:
    path = run.folder / ".hydra" / "config.yaml"
    if not path.is_file():
        return EMPTY
    try:
        words = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): check it, or delete it") from error
    summary = tag("summary", "Show the configuration of this run")
    return section("Configuration", tag("details", summary + tag("pre", text(words))))


# In the order of the page. A section is a function of the run that says nothing ("") where it has nothing to say.
SECTIONS: tuple[Callable[[Run], Html], ...] = (
    cards,
    examples,
    classes,
    further_scores,
    plots,
    _protocol,
    _configuration,
)
