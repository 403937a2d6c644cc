"""Frames to judge: image, label and instances, or in place of the image the label map that a program wrote for it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from icnet.data.dataset import SegmentationDataset
from icnet.data.images import Pixels, read_instance_ids, read_label, turn_like
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.samples import Sample
from icnet.errors import DataError
from icnet.model.preprocess import WHOLE_DEPTH

log = logging.getLogger(__name__)

_OWN = "_labels"  # what predict appends to the name of an image
_CITYSCAPES = "_leftImg8bit"


class JudgedFrame(NamedTuple):
    """A frame, or a batch of them.

    image: (..., H, W, 3) uint8, red first; or (..., H, W) uint8 train ids where predictions were read.
    label: (..., H, W) uint8 train ids. instances: (..., H, W) int32 as in Cityscapes' *_instanceIds.png, or empty.
    """

    image: Tensor
    label: Tensor
    instances: Tensor


class JudgedDataset(Dataset[JudgedFrame]):
    """The frames of a split at native size.

    predictions: a label map for each sample, read in place of its image.
    train_ids: whether those hold train ids; None: those named *_labels.png do, others hold what label files hold.
    bit_depth: as `read_image` says.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: ClassTable,
        predictions: Sequence[Path] | None = None,
        train_ids: bool | None = None,
        bit_depth: int = WHOLE_DEPTH,
    ) -> None:
        self.frames = SegmentationDataset(samples, classes, bit_depth=bit_depth)
        self.predictions, self.train_ids = predictions, train_ids

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> JudgedFrame:
        self.frames.board.write(index)
        sample = self.frames.samples[index]
        instances = read_instances(sample.label)
        if self.predictions is None:
            image, label = self.frames[index]
        else:
            image, label = map(torch.from_numpy, self._read_prediction(self.predictions[index], sample))
        if instances.size and instances.shape != label.shape:
            raise DataError(
                f"{_instances_beside(sample.label)} and {sample.label} differ in size: export one of them again"
            )
        return JudgedFrame(image, label, torch.from_numpy(instances))

    def have_instances(self) -> bool:
        """Whether every frame has them: a score over some would pass for one over all."""
        found = [_instances_beside(sample.label) is not None for sample in self.frames.samples]
        if any(found) and not all(found):
            log.info("%d of %d frames have no *_instanceIds.png: no iIoU", found.count(False), len(found))
        return all(found)

    def _read_prediction(self, path: Path, sample: Sample) -> tuple[Pixels, Pixels]:
        """A label map that is judged, and the label."""
        train_ids = is_predicted(path) if self.train_ids is None else self.train_ids
        predicted = read_label(path, self.frames.classes, train_ids)
        label = turn_like(read_label(sample.label, self.frames.classes), sample.image, predicted.shape)
        if predicted.shape != label.shape:
            raise DataError(
                f"{path} is {predicted.shape[0]}x{predicted.shape[1]}, its label {label.shape[0]}x{label.shape[1]}: "
                "predictions are scored at the size of the labels; resize them with nearest neighbour"
            )
        if missing := np.count_nonzero((predicted == IGNORE) & (label != IGNORE)):
            raise DataError(f"{path} gives {missing} labelled pixels no class: every pixel needs a prediction")
        return predicted, label


def read_instances(label: Path) -> npt.NDArray[np.int32]:
    """(H, W) instance ids from Cityscapes' *_instanceIds.png beside a label map; empty where there is none."""
    path = _instances_beside(label)
    if path is None:
        return np.empty((0, 0), np.int32)
    return read_instance_ids(path)


def _instances_beside(label: Path) -> Path | None:
    places = [label.with_name(label.name.replace(ids, "_instanceIds")) for ids in ("_labelIds", "_labelTrainIds")]
    return next((place for place in places if place != label and place.is_file()), None)


def is_predicted(path: Path) -> bool:
    """Whether a label map is named as those that predict writes, which hold train ids."""
    return path.stem.endswith(_OWN)


def match_predictions(images: Sequence[Path], folder: Path) -> list[Path]:
    """The label map in `folder`, at any depth, that belongs to each image.

    By its name: NAME_labels.png, NAME.png, or for Cityscapes CITY_SEQUENCE_FRAME*.png. Where several folders have the name,
    the one that is called like the image's own folder, and those above it like those above that. DataError names what is
    missing or not to be told apart.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: task.predictions takes the folder of the label maps")
    there: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.png")):
        there.setdefault(path.stem, []).append(path)
    found = [_match(image, there) for image in images]
    missing = [image.name for image, path in zip(images, found, strict=True) if path is None]
    if missing:
        raise DataError(
            f"{folder} has no prediction for {len(missing)} of {len(images)} images, e.g. {missing[0]}: expected "
            f"{Path(missing[0]).stem}{_OWN}.png or {Path(missing[0]).stem}.png; complete it, or leave those images out"
        )
    return [path for path in found if path is not None]


def _count_shared(path: Path, image: Path) -> int:
    """How many folders, from the innermost outwards, are called the same."""
    pairs = zip(reversed(path.parent.parts), reversed(image.parent.parts), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _match(image: Path, there: Mapping[str, list[Path]]) -> Path | None:
    frame = image.stem.removesuffix(_CITYSCAPES)
    named = [there.get(name, []) for name in (image.stem + _OWN, image.stem)]
    if frame != image.stem:
        named.append(
            [p for stem, paths in there.items() if stem.startswith(f"{frame}_") or stem == frame for p in paths]
        )
    candidates: list[Path] = next((paths for paths in named if paths), [])
    shared = [_count_shared(p, image) for p in candidates]
    near = [p for p, count in zip(candidates, shared, strict=True) if count == max(shared)]
    if len(near) > 1:
        raise DataError(f"{near[0]} and {near[1]} could both be the prediction for {image}: leave one of them out")
    return near[0] if near else None
