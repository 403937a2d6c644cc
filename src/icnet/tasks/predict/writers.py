"""Where and how predict writes label maps: as pictures to look at and work with, or as a benchmark takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from icnet.data.images import Pixels, read_raw_label, write_image
from icnet.data.labels import LARGEST, ClassTable
from icnet.data.sources import Picture
from icnet.errors import ConfigError, DataError
from icnet.visualize.colors import colorize, overlay

OUTPUTS = ("labels", "color", "overlay")
_CITYSCAPES = "_leftImg8bit"
_NAME_PARTS = 4  # of CITY_SEQUENCE_FRAME_leftImg8bit


class Writer(Protocol):
    """Writes the label maps of images; called by several threads at once."""

    def write(self, picture: Picture, image: Pixels, label_map: Pixels) -> None:
        """The files of one image (H, W, 3) and its train ids (H, W)."""


class PictureWriter:
    """folder/NAME_labels.png (train ids), folder/NAME_color.png, folder/NAME_overlay.png: those of `outputs`."""

    def __init__(self, folder: Path, classes: ClassTable, outputs: Sequence[str]) -> None:
        self.folder, self.classes, self.outputs = folder, classes, outputs

    def write(self, picture: Picture, image: Pixels, label_map: Pixels) -> None:
        target = self.folder / picture.name
        for output in self.outputs:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_image(target.with_name(f"{target.name}_{output}.png"), self._draw(output, image, label_map))

    def _draw(self, output: str, image: Pixels, label_map: Pixels) -> Pixels:
        if output == "labels":
            return label_map
        return colorize(label_map, self.classes) if output == "color" else overlay(image, label_map, self.classes)


class CityscapesWriter:
    """folder/CITY/NAME_leftImg8bit.png: label ids at the image's own size, as the Cityscapes server takes them.

    pictures: all images of the source, whose names are checked before anything is predicted.
    """

    def __init__(self, folder: Path, classes: ClassTable, pictures: Sequence[Picture]) -> None:
        if classes.label_ids is None:
            raise ConfigError(
                "task.format=cityscapes writes label ids, but the network of this checkpoint was trained without: "
                "its classes have train ids alone; train it with data=cityscapes"
            )
        self.folder = folder
        self.label_ids = np.zeros(256, np.uint8 if max(classes.ids) < 256 else np.uint16)
        self.label_ids[: len(classes)] = classes.ids
        self.targets = {picture.name: folder / _cityscapes_place(picture) for picture in pictures}
        shared = [path.name for path, count in Counter(self.targets.values()).items() if count > 1]
        if shared:
            raise DataError(f"the source has {shared[0]} more than once, and a submission takes one: give its folder")
        self.is_valid = np.isin(np.arange(LARGEST + 1), classes.ids)

    def write(self, picture: Picture, image: Pixels, label_map: Pixels) -> None:
        target = self.targets[picture.name]
        target.parent.mkdir(parents=True, exist_ok=True)
        write_image(target, cv2.LUT(label_map, self.label_ids))  # type: ignore[arg-type]

    def check(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Each file is there, of its image's size, with label ids alone, and no other file is.

        sizes: (height, width) of the images that were predicted, by their names.
        """
        expected = {self.targets[name]: size for name, size in sizes.items()}
        found = {path for path in self.folder.rglob("*") if path.is_file()}
        for path in sorted(found ^ expected.keys()):
            raise DataError(f"{path} {'is missing' if path in expected else 'does not belong'}: predict again")
        for path, size in expected.items():
            ids = read_raw_label(path)
            if ids.shape != size or not self.is_valid[ids].all():
                raise DataError(f"{path} is not a map of label ids of {size[0]}x{size[1]}: predict again")


def _cityscapes_place(picture: Picture) -> Path:
    """CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png."""
    name = picture.file.stem
    parts = name.split("_")
    if not name.endswith(_CITYSCAPES) or len(parts) != _NAME_PARTS:
        raise DataError(
            f"{picture.file} has no name of Cityscapes (CITY_SEQUENCE_FRAME_leftImg8bit.png), by which the benchmark "
            "knows an image: give source=DIR/leftImg8bit/test, or leave task.format out"
        )
    return Path(parts[0], f"{name}.png")
