"""Write report.html: one page, whole or not at all, with everything in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from string import Template

from icnet.errors import DataError
from icnet.report.figures import examples, plots
from icnet.report.markup import EMPTY, Html, join, section, table_of, tag, text
from icnet.report.run import Run, read_run
from icnet.report.scores import cards, classes, further_scores, opening

# The policy forbids what a page that opens without a network must not do: load anything.
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<link rel="icon" href="data:,">
<style>
$style
</style>
</head>
<body>
<header>
<p class="kicker">icnet · $task</p>
<h1>$name</h1>
$opening
</header>
<main>
$sections
</main>
<footer>Written by icnet from results.json, metrics.csv and figures/ in this folder.</footer>
</body>
</html>
""")


def write_report(folder: Path) -> Path:
    """Write report.html from what the run left in `folder`; an earlier report stays untouched when that fails."""
    path = folder / "report.html"
    page = build_page(read_run(folder))
    partial = folder / f".report-{os.getpid()}.html"
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def build_page(run: Run) -> str:
    """The page as one string."""
    return _PAGE.substitute(
        title=text(f"{run.name} · icnet {run.task}"),
        style=Path(__file__).with_name("style.css").read_text(encoding="utf-8"),
        task=text(run.task),
        name=text(run.name),
        opening=opening(run),
        sections=join(part(run) for part in SECTIONS),
    )


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
