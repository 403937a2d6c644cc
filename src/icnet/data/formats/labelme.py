"""LabelMe: a JSON file an image."""

from __future__ import annotations

import base64
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from icnet.data.formats.drawn import Annotated, DrawnLayout, Outline
from icnet.data.formats.paint import Area, Mask, Polygon, Shape, ellipse
from icnet.data.formats.runs import decode_picture
from icnet.data.formats.source import MISBUILT, gather, mentions, read_json, split_of
from icnet.data.headers import read_size
from icnet.data.samples import BadAnnotation
from icnet.files import make_folder, writing

_AREAS = ("polygon", "rectangle", "circle", "mask")


@dataclass(frozen=True)
class LabelMe(DrawnLayout):
    """NAME.json beside NAME.jpg, or with the image that it names, or with the image inside; in subfolders too.

    Polygons, rectangles, circles and masks are drawn in the file's order, the parts of a group each by itself; lines and
    points are no areas. A folder that is called like a split is one.
    """

    @property
    def signs(self) -> list[str]:
        return ["JSON files with shapes and an imagePath"]

    def declared(self) -> list[str]:
        """In the alphabet's order: there is no other."""
        return sorted(set[str]().union(*gather(self.sources, _labels).values()))

    def annotated(self) -> Iterator[Annotated]:
        for source in self.sources:
            images = self._beside.get(source.with_suffix(""), [])
            image = images[0] if len(images) == 1 else self._find(source)
            split = split_of(source.relative_to(self.root).parent.as_posix())
            yield Annotated(image, split, source, partial(_read, source, image))

    @cached_property
    def sources(self) -> list[Path]:
        """Beside an image a file that is cut off is one, too, where others are."""
        files = self.named(".json")
        found = [path for path in files if mentions(path, '"shapes"', '"imagePath"')]
        return [path for path in files if path in found or path.with_suffix("") in self._beside] if found else []

    @cached_property
    def _beside(self) -> Mapping[Path, list[Path]]:
        """Images by their path without suffix."""
        beside: dict[Path, list[Path]] = defaultdict(list)
        for path in self.images.all:
            beside[path.with_suffix("")].append(path)
        return beside

    def _find(self, source: Path) -> Path:
        """The image that a file names, or the one inside it, written to where label maps are kept."""
        content = _load(source)
        image = self.images.find(str(content["imagePath"]), [source.parent])
        if image in self.images.all or not content.get("imageData"):
            return image
        place = self.folder / source.relative_to(self.root).with_suffix(image.suffix)
        if not place.is_file() or place.stat().st_mtime_ns < source.stat().st_mtime_ns:
            try:
                data = base64.b64decode(content["imageData"], validate=True)
            except MISBUILT as error:
                raise BadAnnotation(f"{source} has an image inside that cannot be read: export it again") from error
            make_folder(place.parent)
            with writing(place, f"{place.name}.{os.getpid()}.part") as part:  # two processes may come here at once
                part.write_bytes(data)
        return place


def _load(source: Path) -> Any:
    content = read_json(source)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list) or "imagePath" not in content:
        raise BadAnnotation(f"{source} has no shapes or imagePath: it is no file of LabelMe; move it away")
    return content


def _labels(source: Path) -> set[str]:
    return {str(shape["label"]) for shape in _load(source)["shapes"] if _is_area(shape)}


def _is_area(shape: Mapping[str, Any]) -> bool:
    return shape.get("shape_type", "polygon") in _AREAS


def _read(source: Path, image: Path) -> Outline:
    content = _load(source)
    size = content.get("imageHeight"), content.get("imageWidth")
    height, width = size if all(size) else read_size(image)
    shapes = [Shape(str(shape["label"]), _area(shape)) for shape in content["shapes"] if _is_area(shape)]
    return Outline(height, width, shapes, [s["shape_type"] for s in content["shapes"] if not _is_area(s)])


def _area(shape: Mapping[str, Any]) -> Area:
    points = np.asarray(shape["points"], np.float64)
    kind = shape.get("shape_type", "polygon")
    if kind == "polygon" or (kind == "rectangle" and len(points) == 4):  # as X-AnyLabeling writes it
        return Polygon([points])
    if len(points) != 2:
        raise ValueError(f"has a {kind} of {len(points)} points")
    (x, y), (other_x, other_y) = points
    if kind == "rectangle":
        return Polygon([np.array([(x, y), (other_x, y), (other_x, other_y), (x, other_y)])])
    if kind == "circle":
        radius = float(np.hypot(other_x - x, other_y - y))
        return ellipse(x, y, radius, radius)
    return Mask(lambda: decode_picture(base64.b64decode(shape["mask"])), int(min(x, other_x)), int(min(y, other_y)))
