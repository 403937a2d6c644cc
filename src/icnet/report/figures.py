"""The plots in the folder `figures` that a page has no drawing of its own for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from icnet.errors import DataError
from icnet.report.markup import Html, join, section, tag, text
from icnet.report.run import Run

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
# The page draws these itself, for every width and in the dark
_DRAWN = {"class_iou", "confusion", "losses", "miou", "rows", "worst", "typical"}


class _Caption(NamedTuple):
    title: str
    words: str


_CAPTIONS = {
    "sweep": _Caption("Swept settings", "Mean intersection over union on the validation images, for each choice."),
}


def plots(run: Run) -> Html:
    """Each picture under its own heading."""
    return join(_section(path) for path in _others(run.folder))


def _others(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted((folder / "figures").glob("*.png")) if path.stem not in _DRAWN)


def _section(path: Path) -> Html:
    caption = _CAPTIONS.get(path.stem, _Caption(path.stem.replace("_", " ").capitalize(), ""))
    data = _read_png(path)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # the header comes first in every PNG
    source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    image = f'<img src="{source}" width="{width}" height="{height}" alt="{text(caption.title)}">'
    frame = tag("div", image, class_="frame")
    words = tag("figcaption", text(caption.words)) if caption.words else ""
    return section(caption.title, tag("figure", frame + words))


def _read_png(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its permissions, or delete it") from error
    if not data.startswith(_PNG) or not data.endswith(_PNG_END):
        raise DataError(f"{path} is not a whole PNG: delete it, or run the task again")
    return data
