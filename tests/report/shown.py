"""What a reader sees of a page."""

from __future__ import annotations

import html
import re

from icnet.report.page import build_page
from icnet.report.run import Run


def words_of(page: str) -> str:
    """The words alone, without tags and style."""
    words = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    return " ".join(html.unescape(words).split())


def section_of(run: Run, name: str) -> str:
    """The HTML below the heading of a section; "" where the page has none of that name."""
    found = re.search(rf'<section id="{name}"><h2>.*?</h2>(.*?)</section>', build_page(run), re.S)
    return found.group(1) if found else ""
