"""Pages from the templates beside this file: each is one file with everything in it, written whole or not at all."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from icnet.files import writing
from icnet.report.plot import choose_ticks, css
from icnet.report.values import duration, filled, flatten, is_number, is_pair, percent, rank, rgb, say_bounds, say_count

_FILTERS = (choose_ticks, css, duration, filled, flatten, percent, rank, rgb, say_bounds, say_count)


def render(template: str, **values: object) -> str:
    """A template as HTML; a number in it stays on one line with its per cent sign."""
    page = _load_templates().get_template(template).render(values)
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", page)


def write_html(path: Path, page: str) -> Path:
    """Write a page; an earlier one stays untouched when that fails."""
    with writing(path, part=f".{path.stem}-{os.getpid()}.html") as part:
        part.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


@cache
def _load_templates() -> Environment:
    """What is not a tag of a template gets escaped; a value that a template misses is an error."""
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters.update({function.__name__: function for function in _FILTERS})
    found.tests.update(finite=is_number, pair=is_pair)
    return found
