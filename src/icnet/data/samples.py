"""What lies on disk of a data set: its frames, and images paired with their label maps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from icnet.data.images import IMAGE_SUFFIXES
from icnet.data.walk import walk
from icnet.errors import DataError

_MOST_FAULTS = 10  # that an error names
# Of a label's name, behind that of its image
LABEL_MARKS = ("_mask", "_masks", "_label", "_labels", "_L", "_gt", "_seg", "_train_id", "-mask", ".mask")


class Sample(NamedTuple):
    """The files of one frame."""

    image: Path
    label: Path


class MissingLabel(DataError):
    """An image without label; `label` is where it was looked for first."""

    def __init__(self, image: Path, label: Path) -> None:
        super().__init__(f"{image} has no label: expected {label}; add the label or move the image out of the split")
        self.image, self.label = image, label


class BadLine(DataError):
    """A line of a list that names no frame."""


class BadAnnotation(DataError):
    """A file of a labelling tool that does not say what belongs to a frame."""


class Survey(NamedTuple):
    """What lies on disk of a split.

    place: where the images lie; samples: the frames, sorted by name; refused: why others are none, in the same order;
    orphans: label files of no image; unread: files beside the images that are none by their name; notes: what else is worth
    a sentence.
    """

    place: Path
    samples: list[Sample]
    refused: list[DataError]
    orphans: list[Path]
    unread: list[Path]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Layout(ABC):
    """A data set on disk, in the folder root."""

    root: Path

    @property
    @abstractmethod
    def signs(self) -> list[str]:
        """What a folder of this kind holds."""

    def lacks(self) -> list[str]:
        """Those of them that this one does not; empty where it is of this kind."""
        return [sign for sign in self.signs if not (self.root / sign).exists()]

    @abstractmethod
    def survey(self, split: str) -> Survey:
        """All that lies there; DataError where there is no such split."""

    def samples(self, split: str) -> list[Sample]:
        """The frames of a split, sorted by name; DataError names what is missing."""
        survey = self.survey(split)
        if survey.refused:
            raise join_faults(survey.refused)
        if not survey.samples:
            raise DataError(f"{survey.place} names no images: put images there, or choose another split")
        return survey.samples


def split_names(split: str | Sequence[str]) -> list[str]:
    """One split or several, as a list."""
    return [split] if isinstance(split, str) else list(split)


def is_image(path: Path) -> bool:
    """By the name; macOS leaves ._NAME files beside the real ones."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def check_folder(root: Path, expected: Path, what: str) -> None:
    """Refuse a data set without this folder of its. what: the kind of data, in words."""
    if expected.is_dir():
        return
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: set data.root to the place of your data")
    raise DataError(
        f"{root} holds no {what}: expected {expected} but found {say_content(root)}; "
        "set data.root to the folder above it, or choose the split and the data= that fit "
        "(task=prepare data=auto finds out which)"
    )


def say_content(folder: Path) -> str:
    """The first names in it."""
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join([*names[:6], *(["..."] if len(names) > 6 else [])]) or "nothing"


def usual_names(label: Path) -> list[Path]:
    """NAME.png, then what it is called elsewhere."""
    return [label, *(label.with_name(f"{label.stem}{end}.png") for end in LABEL_MARKS)]


def first_that_exists(image: Path, candidates: list[Path]) -> Path:
    """The label of an image; MissingLabel names the first place where it was looked for."""
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise MissingLabel(image, candidates[0])


def pair(
    images: Iterable[Path], candidates: Callable[[Path], list[Path]], labels: Iterable[Path], folder: Path
) -> Survey:
    """Pair images with the first of their candidates that exists. labels: all there are; folder: of the images."""
    images = sorted(images)
    labels = set(labels)
    survey = Survey(folder, [], [], [], sorted({*walk(folder)} - {*images} - labels))
    known = set()
    for image in images:
        places = candidates(image)
        known.update(places)
        try:
            survey.samples.append(Sample(image, first_that_exists(image, places)))
        except MissingLabel as error:
            survey.refused.append(error)
    survey.orphans.extend(sorted(labels - known))
    return survey


def join_faults(faults: Sequence[DataError]) -> DataError:
    """One error for all; it names up to ten."""
    if len(faults) == 1:
        return faults[0]
    more = f", the first {_MOST_FAULTS} of which are" if len(faults) > _MOST_FAULTS else ""
    return DataError(f"{len(faults)} faults{more}: {'; '.join(map(str, faults[:_MOST_FAULTS]))}")
