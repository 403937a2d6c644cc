"""Supervisely: meta.json, and in each data set a JSON file an image."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from icnet.data.formats.drawn import Annotated, DrawnLayout, Outline
from icnet.data.formats.paint import Area, Bits, Mask, Polygon, Shape
from icnet.data.formats.runs import decode_picture
from icnet.data.formats.source import gather, read_json, split_of

_LARGEST = 1 << 28  # bytes that a compressed bitmap may become


@dataclass(frozen=True)
class Supervisely(DrawnLayout):
    """root/meta.json, root/DATASET/img/NAME and root/DATASET/ann/NAME.json.

    Bitmaps and polygons, with their holes, are drawn in the file's order; other shapes are no areas. A data set that is
    called like a split is one.
    """

    @property
    def signs(self) -> list[str]:
        return ["meta.json and DATASET/ann/NAME.json"]

    def declared(self) -> list[str]:
        (titles,) = gather([self.root / "meta.json"], _titles).values()
        return titles

    def annotated(self) -> Iterator[Annotated]:
        for source in self.sources:
            folders = [source.parent.parent / "img"]
            split = split_of(source.parent.parent.relative_to(self.root).as_posix())
            yield Annotated(self.images.find(source.stem, folders), split, source, partial(_read, source))

    @cached_property
    def sources(self) -> list[Path]:
        found = [path for path in self.named(".json") if path.parent.name == "ann"]
        return found if (self.root / "meta.json").is_file() else []


def _titles(meta: Path) -> list[str]:
    return [str(kind["title"]) for kind in read_json(meta)["classes"]]


def _read(source: Path) -> Outline:
    content = read_json(source)
    areas = [(thing, _area(thing)) for thing in content["objects"]]
    shapes = [Shape(thing["classTitle"], area) for thing, area in areas if area is not None]
    others = [thing["geometryType"] for thing, area in areas if area is None]
    return Outline(content["size"]["height"], content["size"]["width"], shapes, others)


def _area(thing: Mapping[str, Any]) -> Area | None:
    if thing["geometryType"] == "bitmap":
        left, top = thing["bitmap"]["origin"]
        return Mask(partial(_decode, thing["bitmap"]["data"]), left, top)
    if thing["geometryType"] == "polygon":
        return Polygon([thing["points"]["exterior"], *thing["points"]["interior"]])
    return None


def _decode(text: str) -> Bits:
    """A PNG, compressed once more."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(base64.b64decode(text), _LARGEST)
    except zlib.error as error:
        raise ValueError(f"has a bitmap that cannot be unpacked ({error})") from error
    return decode_picture(data)
