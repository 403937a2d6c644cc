"""Where the images and label maps of a data set lie: one class per layout on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from icnet.data.images import IMAGE_SUFFIXES
from icnet.errors import DataError


class Sample(NamedTuple):
    """The files of one frame."""

    image: Path
    label: Path


class Layout(Protocol):
    """A data set on disk."""

    @property
    def root(self) -> Path:
        """Its folder."""

    def samples(self, split: str) -> list[Sample]:
        """The frames of a split, sorted by name; DataError names the first file that is missing."""


@dataclass(frozen=True)
class CityscapesLayout:
    """root/leftImg8bit/SPLIT/CITY/*_leftImg8bit.png with root/gtFine/SPLIT/CITY/*_gtFine_labelIds.png.

    *_gtFine_labelTrainIds.png is taken where there is no *_labelIds.png, gtCoarse where there is no gtFine
    (train_extra).
    """

    root: Path

    def samples(self, split: str) -> list[Sample]:
        folder = self.root / "leftImg8bit" / split
        _check_folder(self.root, folder, "Cityscapes", "data=cityscapes")
        images = sorted(folder.glob("*/*_leftImg8bit.*"))
        return _not_empty([Sample(i, self._label(i)) for i in images if is_image(i)], folder)

    def _label(self, image: Path) -> Path:
        split, city = image.parts[-3:-1]
        stem = image.stem.removesuffix("_leftImg8bit")
        candidates = [
            self.root / kind / split / city / f"{stem}_{kind}_{ids}.png"
            for kind in self._kinds(split)
            for ids in ("labelIds", "labelTrainIds")
        ]
        return _first_that_exists(image, candidates)

    def _kinds(self, split: str) -> list[str]:
        """Coarse labels never stand in for a fine one that is missing: a score on them is not the benchmark's."""
        only_coarse = (self.root / "gtCoarse" / split).is_dir() and not (self.root / "gtFine" / split).is_dir()
        return ["gtCoarse"] if only_coarse else ["gtFine"]


@dataclass(frozen=True)
class FolderLayout:
    """root/images/SPLIT/NAME.(jpg or png) with root/labels/SPLIT/NAME.png; subfolders are followed."""

    root: Path

    def samples(self, split: str) -> list[Sample]:
        folder = self.root / "images" / split
        _check_folder(self.root, folder, "images and labels", "data=folder")
        labels = self.root / "labels" / split
        images = sorted(p for p in folder.rglob("*") if is_image(p))
        found = [Sample(i, _first_that_exists(i, [labels / i.relative_to(folder).with_suffix(".png")])) for i in images]
        return _not_empty(found, folder)


@dataclass(frozen=True)
class ListLayout:
    """root/SPLIT.list: a line is `IMAGE LABEL`, separated by a tab or a space, relative to root (PaddlePaddle's form)."""

    root: Path

    def samples(self, split: str) -> list[Sample]:
        path = self.root / f"{split}.list"
        if not path.is_file():
            _check_folder(self.root, path, "list files", "data=list")
        return _not_empty(list(self._lines(path)), path)

    def _lines(self, path: Path) -> Iterator[Sample]:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not text in UTF-8 (byte {error.start}): save it in that encoding") from error
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = line.split("\t") if "\t" in line else line.split()
            if len(parts) != 2:
                raise DataError(
                    f"{path}, line {number} has {len(parts)} entries ({line.strip()[:80]!r}): a line is IMAGE LABEL, "
                    "with a tab between them where a path has spaces"
                )
            image, label = (self.root / part.strip() for part in parts)
            if not image.is_file():
                raise DataError(f"{path}, line {number}: there is no image {image}; paths are relative to {self.root}")
            yield Sample(image, _first_that_exists(image, [label]))


@dataclass(frozen=True)
class KittiRoadLayout:
    """root/training/image_2/um_000000.png with root/training/gt_image_2/um_road_000000.png (or um_lane_000000.png).

    KITTI publishes labels for its training part alone: `data.val_fraction` cuts a validation split from it.
    """

    root: Path

    def samples(self, split: str) -> list[Sample]:
        folder = self.root / "training" / "image_2"
        _check_folder(self.root, folder, "KITTI road", "data=kitti_road")
        if split != "train":
            raise DataError(
                f"KITTI road has no labels for a split {split!r}: use data.val_fraction=0.2 to set training frames aside"
            )
        images = sorted(folder.glob("*.png"))
        return _not_empty([Sample(i, self._label(i)) for i in images], folder)

    def _label(self, image: Path) -> Path:
        kind, _, number = image.name.partition("_")
        folder = self.root / "training" / "gt_image_2"
        return _first_that_exists(image, [folder / f"{kind}_{what}_{number}" for what in ("road", "lane")])


def is_image(path: Path) -> bool:
    """By the name; macOS leaves ._NAME files beside the real ones."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _check_folder(root: Path, expected: Path, what: str, option: str) -> None:
    if expected.is_dir():
        return
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: set data.root to the place of your data ({option})")
    there = ", ".join(sorted(p.name for p in root.iterdir())[:6]) or "nothing"
    raise DataError(
        f"{root} holds no {what}: expected {expected} but found {there}; "
        "set data.root to the folder above it, or choose the split and the data= that fit"
    )


def _first_that_exists(image: Path, candidates: list[Path]) -> Path:
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DataError(f"{image} has no label: expected {candidates[0]}; add the label or move the image out of the split")


def _not_empty(samples: list[Sample], place: Path) -> list[Sample]:
    if not samples:
        raise DataError(f"{place} names no images: put images there, or choose another split")
    return samples
