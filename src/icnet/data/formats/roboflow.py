"""Roboflow's semantic segmentation masks; its COCO segmentation is read by coco.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from icnet.data.layouts import FolderLayout
from icnet.data.samples import Layout


@dataclass(frozen=True)
class Roboflow(FolderLayout):
    """root/{train,valid,test}/NAME.jpg with NAME_mask.png of ids beside it; train/_classes.csv names them."""

    images: str = "{split}"
    labels: str = "{split}"
    ending: str = "_mask.png"
    splits: Mapping[str, str] = field(default_factory=lambda: {"val": "valid"})

    @property
    def signs(self) -> list[str]:
        return ["train/_classes.csv"]

    def lacks(self) -> list[str]:
        return Layout.lacks(self)
