"""Images with a label map each, in the folders and under the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from icnet.data.formats.source import find_split
from icnet.data.layouts import FolderLayout
from icnet.data.samples import LABEL_MARKS, is_image
from icnet.data.walk import walk

# Folders of images and of label maps, the ones that are told apart best first
_FOLDERS = (
    *(("images/{split}", f"{labels}/{{split}}") for labels in ("labels", "masks", "annotations")),
    *((f"{{split}}/{images}", f"{{split}}/{labels}") for images in ("images", "image", "imgs", "img")
      for labels in ("labels", "label", "masks", "mask", "annotations")),
    *(("{split}", f"{{split}}{labels}") for labels in ("_labels", "_masks", "annot")),
    *((images, labels) for images in ("images", "image", "imgs", "img", "JPEGImages")
      for labels in ("labels", "label", "masks", "mask", "annotations", "SegmentationClassPNG", "SegmentationClass")),
    ("{split}", "{split}/masks"), ("{split}", "{split}"), (".", "masks"), (".", "labels"), (".", "."),
)  # fmt: skip
# JPEG last: what is wrong with it is said when it is read
_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg")
_ENOUGH = 0.5  # of the images must have a label map


def find_pairs(root: Path) -> FolderLayout:
    """The folders and names by which most of the images below root have a label map; where none do, one that lacks them."""
    below = [
        path.relative_to(root).as_posix() for part in ("*", "*/*") for path in sorted(root.glob(part)) if path.is_dir()
    ]
    for patterns in _FOLDERS:
        (images, splits), (labels, _) = (_find(pattern, [".", *below]) for pattern in patterns)
        layout = FolderLayout(root, images, labels, splits=splits)
        if images and labels and not layout.lacks() and (ending := _ending(layout)):
            return replace(layout, ending=ending)
    return FolderLayout(root)


def _find(pattern: str, folders: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A pattern in the letters that these folders have, and what the splits are called in it; nothing where none fits."""
    expression = re.compile(re.escape(pattern).replace(r"\{split\}", "(?P<split>[^/]+)"), re.IGNORECASE)
    written, splits = "", dict[str, str]()
    for match in filter(None, map(expression.fullmatch, folders)):
        name = match.groupdict().get("split")
        if name is None:
            return match[0], {}
        if split := find_split(name):
            written = written or f"{match[0][: match.start('split')]}{{split}}{match[0][match.end('split') :]}"
            splits.setdefault(split, name)
    return written, {split: name for split, name in splits.items() if name != split}


def _ending(layout: FolderLayout) -> str | None:
    """What most label maps have in place of their images' suffix."""
    folder, labels = layout.folders("train")
    same = folder == labels
    every = [p for p in walk(folder) if is_image(p) and (same or not p.is_relative_to(labels))]
    images = [path.relative_to(folder) for path in every]
    files = {path.relative_to(labels) for path in walk(labels)}

    def count(ending: str) -> int:
        pairs = ((image, image.with_name(image.stem + ending)) for image in images)
        return sum(label in files and not (same and label == image) for image, label in pairs)

    suffixes = (*_SUFFIXES, *map(str.upper, _SUFFIXES))
    counts = {mark + suffix: count(mark + suffix) for suffix, mark in product(suffixes, ("", *LABEL_MARKS))}
    best = max(counts, key=lambda ending: counts[ending])
    return best if counts[best] > _ENOUGH * (len(images) - same * counts[best]) else None
