"""COCO's JSON: what COCO, Roboflow, CVAT, labelme2coco and many others write.

labelformat 0.1.17 was looked at and is not used: it stops at compressed run lengths and at those of single objects (it takes
`iscrowd` for "stored as runs"), and of CVAT's XML it keeps the boxes alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from icnet.data.formats.drawn import Annotated, DrawnLayout, Outline
from icnet.data.formats.paint import Bits, Mask, Polygon, Shape
from icnet.data.formats.runs import decode_runs, read_counts
from icnet.data.formats.source import gather, mentions, read_json, split_of

_KEYS = ("images", "annotations", "categories")
_OTHERS = ("person_keypoints", "captions", "panoptic", "stuff", "image_info")  # of COCO's own files


@dataclass(frozen=True)
class Coco(DrawnLayout):
    """root/*.json, or one or two folders below; images by their `file_name`, in subfolders too.

    A split is named by the file (instances_train2017.json) or its folder (valid/_annotations.coco.json). Annotations are
    drawn in the file's order, crowds first; an object of several polygons is all of them. Categories may have gaps.
    """

    @property
    def signs(self) -> list[str]:
        return ["a JSON file with images, annotations and categories"]

    def declared(self) -> Iterator[str]:
        for content in self._contents.values():
            for category in sorted(content["categories"], key=lambda category: category["id"]):
                yield str(category["name"])

    def annotated(self) -> Iterator[Annotated]:
        for source, content in self._contents.items():
            labels = {category["id"]: str(category["name"]) for category in content["categories"]}
            split = split_of(source.relative_to(self.root).as_posix())
            of_image: dict[Any, list[Any]] = defaultdict(list)
            for annotation in content["annotations"]:
                of_image[annotation["image_id"]].append(annotation)
            folders = [source.parent, self.root / source.stem.partition("_")[2], self.root / "images", self.root]
            for image in content["images"]:
                read = partial(_read, image, of_image.get(image["id"], ()), labels)
                yield Annotated(self.images.find(image["file_name"], folders), split, source, read)

    @cached_property
    def sources(self) -> list[Path]:
        near = self.named(".json", 3)
        named = [path for path in near if path.name.startswith("instances_")] or near
        return [p for p in named if not p.name.startswith(_OTHERS) and mentions(p, *(f'"{key}"' for key in _KEYS))]

    @cached_property
    def _contents(self) -> dict[Path, Any]:
        return gather(self.sources, _load)


def _load(source: Path) -> Any:
    """KeyError or TypeError where it lacks what tells frames, annotations and categories apart."""
    content = read_json(source)
    [(image["id"], image["file_name"]) for image in content["images"]]
    [(category["id"], category["name"]) for category in content["categories"]]
    [annotation["image_id"] for annotation in content["annotations"]]
    return content


def _read(image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], labels: Mapping[int, str]) -> Outline:
    height, width = image["height"], image["width"]
    shapes: list[Shape] = []
    others = []
    for annotation in sorted(annotations, key=lambda annotation: not annotation.get("iscrowd")):
        label, segmentation = labels.get(annotation["category_id"]), annotation.get("segmentation")
        if label is None:
            raise ValueError(f"has category {annotation['category_id']}, which is none of its categories")
        if not segmentation:
            others.append("box")
        elif isinstance(segmentation, dict):
            shapes.append(Shape(label, Mask(partial(_decode, segmentation))))
        else:
            shapes += [Shape(label, Polygon([_pair(part)])) for part in segmentation]
    return Outline(height, width, shapes, others)


def _pair(numbers: Sequence[float]) -> Any:
    """(N, 2) of x and y in turn."""
    if len(numbers) % 2:
        raise ValueError(f"has a polygon of {len(numbers)} numbers, which are no pairs")
    return np.reshape(numbers, (-1, 2))


def _decode(runs: Mapping[str, Any]) -> Bits:
    height, width = runs["size"]
    counts = runs["counts"]
    return decode_runs(read_counts(counts) if isinstance(counts, str) else counts, height, width, by_columns=True)
