"""CVAT's "CVAT for images 1.1"; its "segmentation mask 1.1" has the folders of Pascal VOC, see voc.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from icnet.data.formats.drawn import Annotated, DrawnLayout, Outline
from icnet.data.formats.paint import Area, Mask, Polygon, Shape, box, ellipse
from icnet.data.formats.runs import decode_runs
from icnet.data.formats.source import gather, mentions, read_xml, split_of


@dataclass(frozen=True)
class Cvat(DrawnLayout):
    """root/annotations.xml, one or two folders below too (a job each); images by name, in images/ as exported with them.

    Polygons, masks, boxes and ellipses are drawn by z_order, then in the file's order; a frame of several jobs has those of
    all. Lines, points, skeletons and cuboids are no areas, which is noted. A subset, or a folder of images, that is called
    like a split is one.
    """

    @property
    def signs(self) -> list[str]:
        return ["an annotations.xml of CVAT for images"]

    def declared(self) -> Iterator[str]:
        for document in self._documents.values():
            for name in document.iterfind("meta//labels/label/name"):
                yield name.text or ""

    def annotated(self) -> Iterator[Annotated]:
        for source, document in self._documents.items():
            for image in document.iterfind("image"):
                subset, name = image.get("subset", ""), image.attrib["name"]
                split = split_of(subset or str(PurePosixPath(name).parent))
                folders = [source.parent / "images" / subset, source.parent / "images", source.parent, self.root]
                yield Annotated(self.images.find(name, folders), split, source, partial(_read, image))

    @cached_property
    def sources(self) -> list[Path]:
        return [path for path in self.named(".xml", 3) if mentions(path, "<annotations>", "<image ")]

    @cached_property
    def _documents(self) -> dict[Path, Element]:
        return gather(self.sources, _load)


def _load(source: Path) -> Element:
    document = read_xml(source)
    if any("name" not in image.attrib for image in document.iterfind("image")):
        raise ValueError("has an image without a name")
    return document


def _read(image: Element) -> Outline:
    shapes = sorted((part for part in image if part.tag in _AREAS), key=lambda part: int(part.get("z_order", "0")))
    others = [part.tag for part in image if part.tag not in (*_AREAS, "tag")]
    drawn = [Shape(part.attrib["label"], _AREAS[part.tag](part.attrib)) for part in shapes]
    return Outline(int(image.attrib["height"]), int(image.attrib["width"]), drawn, others)


def _polygon(part: Mapping[str, str]) -> Polygon:
    return Polygon([[list(map(float, point.split(","))) for point in part["points"].split(";")]])


def _box(part: Mapping[str, str]) -> Polygon:
    left, top, right, bottom = (float(part[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
    return box(left, top, right, bottom, float(part.get("rotation", 0)))


def _ellipse(part: Mapping[str, str]) -> Polygon:
    x, y, radius_x, radius_y = (float(part[key]) for key in ("cx", "cy", "rx", "ry"))
    return ellipse(x, y, radius_x, radius_y, float(part.get("rotation", 0)))


def _mask(part: Mapping[str, str]) -> Mask:
    left, top, width, height = (int(part[key]) for key in ("left", "top", "width", "height"))
    runs = partial(decode_runs, [int(count) for count in part["rle"].split(",")], height, width)
    return Mask(runs, left, top)


_AREAS: Mapping[str, Callable[[Mapping[str, str]], Area]] = {
    "polygon": _polygon, "box": _box, "ellipse": _ellipse, "mask": _mask,
}  # fmt: skip
