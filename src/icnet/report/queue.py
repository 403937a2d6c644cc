"""queue.json and queue.html: regions whose labels are doubted, to be looked at and answered one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icnet.errors import DataError
from icnet.files import writing
from icnet.report.render import render, write_html

QUEUE = "queue.json"


def write_queue(folder: Path, queue: Mapping[str, Any]) -> Path:
    """Write both; the page holds all that the JSON does."""
    with writing(folder / QUEUE) as part:
        part.write_text(json.dumps(queue, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace")
    return write_html(folder / "queue.html", render("queue.html", queue=queue))


def read_queue(folder: Path) -> dict[str, Any]:
    """What `write_queue` left."""
    try:
        queue: dict[str, Any] = json.loads((folder / QUEUE).read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / QUEUE} is not what icnet wrote ({error}): run the task again") from error
    return queue
