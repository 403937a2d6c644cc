"""CamVid from its originals: 701 frames of 720x960 with 32 colours become SegNet's 11 classes and three splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet.data.images import read_image, read_raw_label, write_image
from icnet.data.labels import pack
from icnet.data.pipeline import count_cores, overlap
from icnet.errors import DataError
from icnet.files import writing_folder

VOID = 11
_UNKNOWN = 255
_FRAMES, _LABELS = "701_StillsRaw_full", "LabeledApproved_full"

# The 32 colours of label_colors.txt by the class that SegNet-Tutorial groups them into, in the order of its ids
GROUPS: dict[str, dict[str, tuple[int, int, int]]] = {
    "Sky": {"Sky": (128, 128, 128)},
    "Building": {
        "Building": (128, 0, 0),
        "Wall": (64, 192, 0),
        "Bridge": (0, 128, 64),
        "Tunnel": (64, 0, 64),
        "Archway": (192, 0, 128),
    },
    "Pole": {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    "Road": {"Road": (128, 64, 128), "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    "Pavement": {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    "Tree": {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    "SignSymbol": {"SignSymbol": (192, 128, 128), "Misc_Text": (128, 128, 64), "TrafficLight": (0, 64, 64)},
    "Fence": {"Fence": (64, 64, 128)},
    "Car": {
        "Car": (64, 0, 128),
        "SUVPickupTruck": (64, 128, 192),
        "Truck_Bus": (192, 128, 192),
        "Train": (192, 64, 128),
        "OtherMoving": (128, 64, 64),
    },
    "Pedestrian": {
        "Pedestrian": (64, 64, 0),
        "Child": (192, 128, 64),
        "CartLuggagePram": (64, 0, 192),
        "Animal": (64, 128, 64),
    },
    "Bicyclist": {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
}


class Conversion(NamedTuple):
    """What was written: frames by split, and pixels whose colour is none of the 32 (they became void)."""

    frames: dict[str, int]
    unknown: int


def is_original(root: Path) -> bool:
    """Whether a folder holds CamVid as its authors publish it."""
    return (root / _FRAMES).is_dir()


def split_of(name: str) -> str:
    """The split of a frame such as 0016E5_07959, by SegNet-Tutorial's lists: 367 train, 101 val, 233 test.

    They cut whole stretches of video: the densely labelled one of 0016E5 validates; Seq05VD and the second half of 0001TP
    test.
    """
    sequence, _, number = name.partition("_")
    frame = int(number.lstrip("f"))
    if sequence == "0016E5":
        return "val" if 7959 <= frame <= 8159 else "train"
    if sequence == "0001TP":
        return "train" if frame <= 8520 else "test"
    return "test" if sequence == "Seq05VD" else "train"


def convert(root: Path, target: Path, *, half: bool, progress: Callable[[int, int], None] | None = None) -> Conversion:
    """Write the originals of `root` to `target` as data=camvid reads them: target/images/SPLIT and target/labels/SPLIT.

    half: halve the frames to 360x480 (images by the mean of four pixels, labels by one of them). The folder appears whole or
    not at all. Raises DataError where a file is missing or broken, or target holds something.
    """
    frames = _find(root)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} is not empty: choose another task.convert, or remove it")
    with writing_folder(target) as draft:
        return _convert_all(frames, draft, half, progress)


class _Frame(NamedTuple):
    image: Path
    label: Path
    split: str


def _class_of_colour() -> npt.NDArray[np.uint8]:
    """The class of every colour, by its packed number; black is void."""
    table = np.full(1 << 24, _UNKNOWN, np.uint8)
    table[0] = VOID
    for index, colours in enumerate(GROUPS.values()):
        table[pack(np.array(list(colours.values())))] = index
    return table


def _find(root: Path) -> list[_Frame]:
    labels = root / _LABELS if (root / _LABELS).is_dir() else root
    frames = []
    for image in sorted((root / _FRAMES).glob("*.png")):
        label = labels / f"{image.stem}_L.png"
        if not label.is_file():
            raise DataError(f"{image} has no label: expected {label}; unpack LabeledApproved_full.zip there")
        try:
            frames.append(_Frame(image, label, split_of(image.stem)))
        except ValueError:
            raise DataError(f"{image} is no frame of CamVid (SEQUENCE_NUMBER.png): move it away") from None
    if not frames:
        raise DataError(f"{root / _FRAMES} holds no frames: unpack 701_StillsRaw_full.zip there")
    return frames


def _convert_all(
    frames: list[_Frame], draft: Path, half: bool, progress: Callable[[int, int], None] | None
) -> Conversion:
    for split in {frame.split for frame in frames}:
        for kind in ("images", "labels"):
            (draft / kind / split).mkdir(parents=True)
    counts = {split: sum(frame.split == split for frame in frames) for split in ("train", "val", "test")}
    unknown = 0
    table = _class_of_colour()
    results = overlap(lambda frame: _convert(frame, draft, table, half), frames, count_cores())
    for done, pixels in enumerate(results, 1):
        unknown += pixels
        if progress is not None:
            progress(done, len(frames))
    return Conversion(counts, unknown)


def _convert(frame: _Frame, draft: Path, table: npt.NDArray[np.uint8], half: bool) -> int:
    """Write one frame; the number of pixels of no known colour."""
    image, colours = read_image(frame.image), read_raw_label(frame.label)
    if colours.ndim != 3 or colours.shape != image.shape:
        raise DataError(f"{frame.label} is no colour image of the size of {frame.image}: download it again")
    label = table[pack(colours)]
    unknown = int((label == _UNKNOWN).sum())
    label[label == _UNKNOWN] = VOID
    if half:
        height, width = label.shape[0] // 2, label.shape[1] // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)  # type: ignore[assignment]
    write_image(draft / "images" / frame.split / f"{frame.image.stem}.png", image)
    write_image(draft / "labels" / frame.split / f"{frame.image.stem}.png", label)
    return unknown
