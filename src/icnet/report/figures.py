"""The pictures of a report: which there are, in which order, and each as part of the page."""

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


class _Caption(NamedTuple):
    title: str
    words: str
    wide: bool = False  # too fine for a telephone: scrolls sideways there


_EXAMPLES = "rows"
_CAPTIONS = {
    _EXAMPLES: _Caption(
        "Examples",
        "What the camera saw, what people drew, what the network says. "
        "Striped pixels carry no label and count nowhere.",
        wide=True,
    ),
    "losses": _Caption(
        "Loss",
        "Each stage of the cascade has a loss of its own; the network learns from their weighted sum. "
        "Pale lines are what was logged, strong ones its running mean, points the validation.",
    ),
    "miou": _Caption(
        "Validation", "Mean intersection over union and the share of right pixels in the course of the training."
    ),
    "class_iou": _Caption(
        "Classes, best first", "Intersection over union of each class; the dashed line is their mean."
    ),
    "confusion": _Caption(
        "Confusion",
        "A row holds all pixels that people gave to one class; its cells say which classes the network saw there. "
        "Shares below one half of a per cent have no number; shades follow the square root, so that small ones show.",
        wide=True,
    ),
    "sweep": _Caption("Swept settings", "Mean intersection over union on the validation images, for each choice."),
}


def examples(run: Run) -> Html:
    """Image, label and prediction side by side."""
    return join(_section(path) for path in _ordered(run.folder) if path.stem == _EXAMPLES)


def plots(run: Run) -> Html:
    """The other pictures in the folder `figures`: the known ones in the order above, then any others."""
    return join(_section(path) for path in _ordered(run.folder) if path.stem != _EXAMPLES)


def _ordered(folder: Path) -> Iterator[Path]:
    found = {path.stem: path for path in sorted((folder / "figures").glob("*.png"))}
    yield from (found[name] for name in _CAPTIONS if name in found)
    yield from (path for name, path in found.items() if name not in _CAPTIONS)


def _section(path: Path) -> Html:
    caption = _CAPTIONS.get(path.stem, _Caption(path.stem.replace("_", " ").capitalize(), ""))
    data = _read_png(path)
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # the header comes first in every PNG
    source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    image = f'<img src="{source}" width="{width}" height="{height}" alt="{text(caption.title)}">'
    frame = tag("div", image, class_="frame wide" if caption.wide else "frame")
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
