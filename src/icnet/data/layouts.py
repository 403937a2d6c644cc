"""Where the images and label maps of a data set lie: one class per layout on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from icnet.data.samples import (
    BadLine,
    Layout,
    MissingLabel,
    Sample,
    Survey,
    check_folder,
    first_that_exists,
    is_image,
    pair,
    usual_names,
)
from icnet.data.walk import walk
from icnet.errors import DataError


@dataclass(frozen=True)
class CityscapesLayout(Layout):
    """root/leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with root/gtFine/SPLIT/CITY/*_gtFine_labelIds.png.

    *_gtFine_labelTrainIds.png is taken where there is no *_labelIds.png, gtCoarse where there is no gtFine
    (train_extra).
    """

    @property
    def signs(self) -> list[str]:
        return ["leftImg8bit", "gtCoarse" if (self.root / "gtCoarse").is_dir() else "gtFine"]

    def survey(self, split: str) -> Survey:
        folder = self._images(split)
        check_folder(self.root, folder, "Cityscapes")
        kind = self._kind(split)
        images = [p for p in folder.glob("*/*_leftImg8bit.*") if is_image(p)]
        labels = (self.root / kind / split).glob("*/*_label*Ids.png")
        return pair(images, lambda image: self._labels(image, kind), labels, folder)

    def _images(self, split: str) -> Path:
        return self.root / "leftImg8bit" / split

    def _labels(self, image: Path, kind: str) -> list[Path]:
        split, city = image.parts[-3:-1]
        stem = image.stem.removesuffix("_leftImg8bit")
        return [self.root / kind / split / city / f"{stem}_{kind}_{ids}.png" for ids in ("labelIds", "labelTrainIds")]

    def _kind(self, split: str) -> str:
        """Coarse labels never stand in for a fine one that is missing: a score on them is not the benchmark's."""
        only_coarse = (self.root / "gtCoarse" / split).is_dir() and not (self.root / "gtFine" / split).is_dir()
        return "gtCoarse" if only_coarse else "gtFine"


@dataclass(frozen=True)
class FolderLayout(Layout):
    """root/images/SPLIT/NAME.(jpg or png) with root/labels/SPLIT/NAME.png; subfolders are followed.

    images, labels: the folders of a split, whose name stands for {split}; without it there is one, train. ending: of a label
    file, in place of its image's suffix. splits: what they are called on disk, where it is something else.
    """

    images: str = "images/{split}"
    labels: str = "labels/{split}"
    ending: str = ".png"
    splits: Mapping[str, str] = field(default_factory=dict)

    @property
    def signs(self) -> list[str]:
        names = ("NAME.jpg", f"NAME{self.ending}")
        return [
            os.path.relpath(folder / name, self.root) for folder, name in zip(self.folders("train"), names, strict=True)
        ]

    def lacks(self) -> list[str]:
        return [os.path.relpath(folder, self.root) for folder in self.folders("train") if not folder.exists()]

    def survey(self, split: str) -> Survey:
        folder, labels = self.folders(split)
        if split != "train" and "{split}" not in self.images:
            raise DataError(f"{folder} is not divided into splits: there is train alone, and no {split!r}")
        check_folder(self.root, folder, "images and labels")
        label_files = {path for path in walk(labels) if is_image(path)}
        if folder == labels:
            label_files = {path for path in label_files if path.name.endswith(self.ending)}
        images = {path for path in walk(folder) if is_image(path)} - label_files
        return pair(images, lambda i: usual_names(labels / self._label(i.relative_to(folder))), label_files, folder)

    def folders(self, split: str) -> tuple[Path, Path]:
        """Of the images and of the label maps."""
        name = self.splits.get(split, split)
        return self.root / self.images.replace("{split}", name), self.root / self.labels.replace("{split}", name)

    def _label(self, image: Path) -> Path:
        return image.with_name(image.stem + self.ending)


@dataclass(frozen=True)
class ListLayout(Layout):
    """root/SPLIT.list: a line is `IMAGE LABEL`, separated by a space or a tab, relative to root (PaddlePaddle's form)."""

    @property
    def signs(self) -> list[str]:
        return ["train.list"]

    def survey(self, split: str) -> Survey:
        path = self.root / f"{split}.list"
        if not path.is_file():
            check_folder(self.root, path, "list files")
        survey = Survey(path, [], [], [], [])
        for number, line in read_lines(path):
            try:
                survey.samples.append(self._sample(path, number, line))
            except (BadLine, MissingLabel) as error:
                survey.refused.append(error)
        return survey

    def _sample(self, path: Path, number: int, line: str) -> Sample:
        parts = line.split("\t") if "\t" in line else line.split()
        if len(parts) != 2:
            raise BadLine(
                f"{path}, line {number} has {len(parts)} entries ({line.strip()[:80]!r}): a line is IMAGE LABEL, "
                "with a tab between them where a path has spaces"
            )
        image, label = (self._place(part.strip()) for part in parts)
        if not image.is_file():
            raise BadLine(f"{path}, line {number}: there is no image {image}; paths are relative to {self.root}")
        return Sample(image, first_that_exists(image, [label]))

    def _place(self, path: str) -> Path:
        """The authors' own lists begin paths below root with a slash; those of Windows have others between the names."""
        path = path if (self.root / path).is_file() else path.replace("\\", "/")
        below = self.root / path.lstrip("/")
        return below if not Path(path).is_file() and below.is_file() else self.root / path


@dataclass(frozen=True)
class KittiRoadLayout(Layout):
    """root/training/image_2/um_000000.png with root/training/gt_image_2/um_road_000000.png (or um_lane_000000.png).

    KITTI publishes labels for its training part alone: `data.val_fraction` cuts a validation split from it.

    kinds: of road: um, one lane each way (95 frames); umm, several lanes (96); uu, unmarked (98).
    """

    kinds: Sequence[str] = ("um", "umm", "uu")

    @property
    def signs(self) -> list[str]:
        return ["training/image_2", "training/gt_image_2"]

    def survey(self, split: str) -> Survey:
        folder = self._images
        check_folder(self.root, folder, "KITTI road")
        if split != "train":
            raise DataError(
                f"KITTI road has no labels for a split {split!r}: use data.val_fraction=0.2 to set training frames aside"
            )
        images, labels = (
            [p for kind in self.kinds for p in place.glob(f"{kind}_*.png")] for place in (folder, self._label_folder)
        )
        return pair(images, self._labels, labels, folder)

    @property
    def _images(self) -> Path:
        return self.root / "training" / "image_2"

    @property
    def _label_folder(self) -> Path:
        return self.root / "training" / "gt_image_2"

    def _labels(self, image: Path) -> list[Path]:
        kind, _, number = image.name.partition("_")
        return [self._label_folder / f"{kind}_{what}_{number}" for what in ("road", "lane")]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list with their numbers, without empty ones and those that begin with #."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8 (byte {error.start}): save it in that encoding") from error
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#"))
