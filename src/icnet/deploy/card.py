"""The model card of a network in the hub's layout: written from results.json, with a picture of generated streets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from icnet import __version__
from icnet.data.images import write_image
from icnet.errors import ICNetError
from icnet.predict import Predictor
from icnet.streets.scene import draw_street
from icnet.visualize.colors import colorize

_TEMPLATE = Path(__file__).with_name("card.md.jinja")
_PICTURE = "streets.png"
_SIZE, _SHOWN = (257, 513), 2  # 32k + 1: exact in both geometries


def write_card(
    folder: Path,
    predictor: Predictor,
    judged: Mapping[str, Any] | None,
    trained: Mapping[str, Any] | None,
    licence: str | None,
) -> None:
    """Write README.md and its picture. judged, trained: what results.json says of the network's scores, of its training."""
    classes = predictor.engine.card.classes
    frames = [draw_street(0, index, _SIZE).image for index in range(_SHOWN)]
    shown = [np.hstack([frame, colorize(predictor(frame), classes)]) for frame in frames]
    write_image(folder / _PICTURE, np.vstack(shown))
    known = trained or judged
    makers = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    makers.filters["percent"] = _percent
    try:
        text = makers.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
            version=__version__,
            classes=classes,
            picture=_PICTURE,
            licence=licence,
            data=None if known is None else known["protocol"]["data"],
            trained=None if trained is None else trained["protocol"],
            scores=None if judged is None else judged["metrics"],
            about=None if judged is None else judged["protocol"],
        )
    except jinja2.UndefinedError as error:
        raise ICNetError(
            f"the card cannot be written from this results.json, which is of an older icnet ({error}): judge the checkpoint "
            "anew with task=evaluate and give task.results"
        ) from error
    (folder / "README.md").write_text(text + "\n", encoding="utf-8")


def _percent(ratio: float | None) -> str:
    return "absent" if ratio is None else f"{100 * ratio:.1f}"
