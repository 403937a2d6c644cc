"""Roboflow's semantic segmentation masks; its COCO segmentation is read by coco.py."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field

from icnet.data.layouts import FolderLayout
from icnet.data.samples import BadAnnotation, missing

_CLASSES = "_classes.csv"


@dataclass(frozen=True)
class Roboflow(FolderLayout):
    """root/{train,valid,test}/NAME.jpg with NAME_mask.png of ids beside it; train/_classes.csv names them."""

    images: str = "{split}"
    labels: str = "{split}"
    ending: str = "_mask.png"
    splits: Mapping[str, str] = field(default_factory=lambda: {"val": "valid"})

    @property
    def signs(self) -> list[str]:
        return [f"{self.splits.get('train', 'train')}/{_CLASSES}"]

    def lacks(self) -> list[str]:
        return missing(self.root, self.signs)

    @property
    def class_names(self) -> Mapping[int, str]:
        """As in Named: a line is `Pixel Value, Class`, after a head."""
        path = self.folders("train")[0] / _CLASSES
        if not path.is_file():
            return {}
        with path.open(encoding="utf-8-sig", newline="") as file:
            _, *rows = csv.reader(file, skipinitialspace=True)
        try:
            return {int(value): name.strip() for value, name in rows}
        except ValueError as error:
            raise BadAnnotation(f"{path}: a line is not `Pixel Value, Class` ({error}); export it again") from error
