"""Label Studio's JSON export (not JSON-MIN): a list of tasks, each with an image and what people drew on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from icnet.data.formats.drawn import Annotated, DrawnLayout, Outline
from icnet.data.formats.paint import Area, Mask, Polygon, Shape, ellipse
from icnet.data.formats.runs import decode_brush
from icnet.data.formats.source import gather, mentions, read_json, split_of
from icnet.data.headers import read_size
from icnet.data.samples import BadAnnotation, is_image

_KINDS = ("polygonlabels", "brushlabels", "ellipselabels")
Task = tuple[Path, str, Sequence[Mapping[str, Any]]]  # its file, its image, and what was drawn
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what an upload puts before a name


@dataclass(frozen=True)
class LabelStudio(DrawnLayout):
    """root/*.json with the images anywhere below root, under the name of the task or the one before its upload.

    Polygons, ellipses and brushes are drawn in their order. Of several annotations of a task the one marked as ground
    truth counts, else the last one; tasks that nobody annotated are left out.
    """

    @property
    def signs(self) -> list[str]:
        return ["a JSON export of Label Studio"]

    def declared(self) -> list[str]:
        """In the alphabet's order: the export names no other."""
        return sorted({label for *_, results in self._tasks for result in results if (label := _label(result))})

    def annotated(self) -> Iterator[Annotated]:
        for source, name, results in self._tasks:
            image = self._find(name)
            yield Annotated(image, split_of(str(PurePosixPath(name).parent)), source, partial(_read, results, image))

    def _find(self, name: str) -> Path:
        near = [self.root, self.root / "images"]
        image = self.images.find(name, near)
        before = _UPLOADED.sub("", Path(name).name)
        return image if image in self.images.all else self.images.find(before, near)

    @cached_property
    def sources(self) -> list[Path]:
        return [path for path in self.named(".json", 1) if mentions(path, '"annotations"', '"result"', '"data"')]

    @cached_property
    def _tasks(self) -> list[Task]:
        return [task for tasks in gather(self.sources, _load).values() for task in tasks]


def _load(source: Path) -> list[Task]:
    """Those that somebody annotated."""
    content = read_json(source)
    if not isinstance(content, list) or not all(isinstance(t, dict) and "annotations" in t for t in content):
        raise BadAnnotation(f"{source} is no list of tasks with annotations: export it from Label Studio as JSON")
    done = [(task, results) for task in content if (results := _choose(task)) is not None]
    for result in (result for _, results in done for result in results):
        _label(result)  # or it fails where no file is named
    return [(source, _image_name(source, task), results) for task, results in done]


def _choose(task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    done = [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]
    best = [annotation for annotation in done if annotation.get("ground_truth")] or done
    return best[-1]["result"] if best else None


def _image_name(source: Path, task: Mapping[str, Any]) -> str:
    """Out of an address: /data/upload/1/1f2e3d4c-a.jpg, /data/local-files/?d=a.jpg or https://..."""
    for value in task.get("data", {}).values():
        if isinstance(value, str):
            address = urlsplit(value)
            name = unquote(parse_qs(address.query).get("d", [address.path])[0])
            if is_image(Path(name)):
                return name
    raise BadAnnotation(f"{source}: task {task.get('id')} names no image; take it out of the project, and export again")


def _label(result: Mapping[str, Any]) -> str | None:
    """Of an area; None where it is no area, or one without a label."""
    kind = result.get("type")
    labels = result["value"].get(kind) if kind in _KINDS else None
    return str(labels[0]) if labels else None


def _read(results: Sequence[Mapping[str, Any]], image: Path) -> Outline:
    drawn = [(label, result) for result in results if (label := _label(result))]
    size = (drawn[0][1]["original_height"], drawn[0][1]["original_width"]) if drawn else read_size(image)
    others = [
        result["type"] + " without a label" * (result["type"] in _KINDS) for result in results if not _label(result)
    ]
    return Outline(size[0], size[1], [Shape(label, _area(result["value"], *size)) for label, result in drawn], others)


def _area(value: Mapping[str, Any], height: int, width: int) -> Area:
    """Points are in per cent of the frame."""
    if "points" in value:
        return Polygon([np.asarray(value["points"], np.float64) * (width / 100, height / 100)])
    if "radiusX" in value:
        x, y, radius_x, radius_y = (value[key] / 100 for key in ("x", "y", "radiusX", "radiusY"))
        return ellipse(x * width, y * height, radius_x * width, radius_y * height, value.get("rotation", 0))
    return Mask(partial(decode_brush, value["rle"], height, width))
