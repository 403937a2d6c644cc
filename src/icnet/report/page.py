"""Write report.html: one page with everything in it."""

from __future__ import annotations

from pathlib import Path

from icnet.errors import DataError
from icnet.report.confusion import read_confusion
from icnet.report.curves import plot_exits, plot_losses, plot_scores
from icnet.report.pictures import embed_examples
from icnet.report.render import render, write_html
from icnet.report.run import Run, read_run

# In the order of the page. Each has a template in templates/sections; one that has nothing to show is left out.
SECTIONS = (
    "certificate",
    "comparison",
    "classes",
    "confusions",
    "where-it-fails",
    "exits",
    "training",
    "images",
    "categories",
    "further-scores",
    "protocol",
    "configuration",
)


def write_report(folder: Path) -> Path:
    """Write report.html from what the run left in `folder`; an earlier report stays untouched when that fails."""
    return write_html(folder / "report.html", build_page(read_run(folder)))


def build_page(run: Run) -> str:
    """The page as one string."""
    values = {
        "run": run,
        "confusion": read_confusion(run.folder),
        "losses": plot_losses(run.history),
        "scores": plot_scores(run.history),
        "exits_plot": plot_exits(run),
        "examples": embed_examples(run.folder),
        "configuration": _read_configuration(run.folder / ".hydra" / "config.yaml"),
    }
    sections = {name: html for name in SECTIONS if (html := render(f"sections/{name}.html", **values).strip())}
    return render("report.html", sections=sections, **values)


def _read_configuration(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): check it, or delete it") from error
