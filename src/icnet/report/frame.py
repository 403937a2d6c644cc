"""The frame of every page: head, style and heading around its sections; a file that is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from string import Template

from icnet.files import writing
from icnet.report.markup import Html, text

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
<p class="kicker">icnet · $kicker</p>
<h1>$name</h1>
$opening
</header>
<main>
$sections
</main>
<footer>Written by icnet from $source in this folder.</footer>
</body>
</html>
""")


def fill_frame(kicker: str, name: str, opening: Html, sections: Html, source: str) -> str:
    """The page as one string. kicker: what kind of page it is; source: the files that it was made from."""
    return _PAGE.substitute(
        title=text(f"{name} · icnet {kicker}"),
        style=Path(__file__).with_name("style.css").read_text(encoding="utf-8"),
        kicker=text(kicker),
        name=text(name),
        opening=opening,
        sections=sections,
        source=text(source),
    )


def write_frame(path: Path, page: str) -> Path:
    """Write a page; an earlier one stays untouched when that fails."""
    with writing(path, part=f".{path.stem}-{os.getpid()}.html") as part:
        part.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path
