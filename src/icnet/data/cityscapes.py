"""Cityscapes' label maps from its polygons, pixel for pixel as its own scripts draw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from icnet.data.images import Pixels, write_image
from icnet.data.samples import MissingLabel, Survey
from icnet.errors import DataError

_NOT_DRAWN = -1

# Label ids by name (helpers/labels.py of the Cityscapes scripts)
_NAMES = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road",
    "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole",
    "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car",
    "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle",
)  # fmt: skip
LABEL_IDS = {name: number for number, name in enumerate(_NAMES)} | {"license plate": _NOT_DRAWN}


def find_undrawn(survey: Survey) -> list[tuple[Path, Path]]:
    """(polygons, label map) of the images whose label map is missing but can be drawn."""
    labels = [error.label for error in survey.refused if isinstance(error, MissingLabel)]
    pairs = [(label.with_name(label.name.replace("_labelIds.png", "_polygons.json")), label) for label in labels]
    return [(polygons, label) for polygons, label in pairs if polygons != label and polygons.is_file()]


def write_label(polygons: Path, label: Path) -> None:
    """Draw a file of polygons into a label map of label ids."""
    write_image(label, draw_polygons(_read(polygons), polygons))


def draw_polygons(annotation: dict[str, Any], source: object) -> Pixels:
    """(H, W) label ids of an annotation; `source` names it in errors.

    Later objects cover earlier ones; deleted objects and license plates are left out; a group (cargroup) is drawn as what
    it is a group of.
    """
    try:
        label = Image.new("L", (annotation["imgWidth"], annotation["imgHeight"]), LABEL_IDS["unlabeled"])
        drawer = ImageDraw.Draw(label)
        for thing in annotation["objects"]:
            number = _NOT_DRAWN if thing.get("deleted") else _label_id(thing["label"])
            if number != _NOT_DRAWN:
                drawer.polygon([(x, y) for x, y in thing["polygon"]], fill=number)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source} is no annotation of Cityscapes ({error!r}): download it again") from error
    return np.array(label)


def _label_id(name: str) -> int:
    name = name if name in LABEL_IDS else name.removesuffix("group")
    if name not in LABEL_IDS:
        raise ValueError(f"there is no class {name}")
    return LABEL_IDS[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is no annotation of Cityscapes: download it again")
    return content
