"""Write report.html: one page with everything in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from icnet.errors import DataError
from icnet.report.classes import categories, classes
from icnet.report.confusion import confusions
from icnet.report.curves import curves
from icnet.report.examples import examples
from icnet.report.exits import comparison, exits
from icnet.report.figures import plots
from icnet.report.frame import fill_frame, write_frame
from icnet.report.markup import EMPTY, Html, join, section, tag, text
from icnet.report.places import places
from icnet.report.protocol import protocol
from icnet.report.run import Run, read_run
from icnet.report.scores import cards, further_scores, opening


def write_report(folder: Path) -> Path:
    """Write report.html from what the run left in `folder`; an earlier report stays untouched when that fails."""
    return write_frame(folder / "report.html", build_page(read_run(folder)))


def build_page(run: Run) -> str:
    """The page as one string."""
    filled = {title: content for title, part in SECTIONS.items() if (content := part(run))}
    body = [section(title, content, anchor=_anchor(title)) for title, content in filled.items()]
    source = "results.json, metrics.csv, confusion.csv, examples/ and figures/"
    return fill_frame(
        run.task, run.name, opening(run), join([cards(run), _contents(filled), *body, plots(run)]), source
    )


def _contents(titles: Mapping[str, Html]) -> Html:
    """Links to the sections."""
    links = join(tag("a", text(title), href=f"#{_anchor(title)}") for title in titles)
    return tag("nav", links, aria_label="Sections") if len(titles) > 1 else EMPTY


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _configuration(run: Run) -> Html:
    path = run.folder / ".hydra" / "config.yaml"
    if not path.is_file():
        return EMPTY
    try:
        words = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): check it, or delete it") from error
    summary = tag("summary", "Show the configuration of this run")
    return tag("details", summary + tag("pre", text(words)))


# In the order of the page. A section is a function of the run that says nothing ("") where it has nothing to say.
SECTIONS: Mapping[str, Callable[[Run], Html]] = {
    "Comparison": comparison,
    "Classes": classes,
    "Confusions": confusions,
    "Where it fails": places,
    "Exits": exits,
    "Training": curves,
    "Images": examples,
    "Categories": categories,
    "Further scores": further_scores,
    "Protocol": protocol,
    "Configuration": _configuration,
}
