"""Write generated streets to disk, in the Cityscapes layout."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from icnet.data.images import write_image
from icnet.data.streets.scene import draw_street
from icnet.errors import DataError

log = logging.getLogger(__name__)
VERSION = 1  # raised whenever the same seed gives other frames
_PARAMETERS = "streets.json"
_CITIES = {"train": ("altstadt", "bergheim", "cornau", "dornburg"), "val": ("eschental", "feldkirch")}
_FIRST_INDEX = {"train": 0, "val": 1_000_000}  # no frame is in both splits

Progress = Callable[[int, int], None]


def write_streets(
    root: Path, *, train: int, val: int, size: tuple[int, int], seed: int, progress: Progress | None = None
) -> Path:
    """Fill `root` with generated scenes, unless it holds those of the same parameters already.

    train, val: frames of each split. size: (height, width). seed: of all frames.
    progress: called with (frames done, frames in all).
    Raises DataError when `root` holds something else. The folder appears whole or not at all, also when several processes
    start at once.
    """
    parameters = {"version": VERSION, "train": train, "val": val, "size": list(size), "seed": seed}
    if _holds(root, parameters):
        return root
    log.info("Drawing %d street scenes of %dx%d into %s", train + val, *size, root)
    root.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _write_splits(part, {"train": train, "val": val}, (size[0], size[1]), seed, progress)
        (part / _PARAMETERS).write_text(json.dumps(parameters) + "\n", encoding="utf-8")
        _put_in_place(part, root, parameters)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return root


def _holds(root: Path, parameters: dict[str, Any]) -> bool:
    """Whether `root` has these frames; DataError when it has something that we did not write."""
    if (root / _PARAMETERS).is_file():
        return bool(json.loads((root / _PARAMETERS).read_text(encoding="utf-8")) == parameters)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} holds something else than generated streets: choose another data.root, or move it away")
    return False


def _write_splits(root: Path, counts: dict[str, int], size: tuple[int, int], seed: int, progress: Progress | None) -> None:
    done, total = 0, sum(counts.values())
    for split, count in counts.items():
        for number in range(count):
            _write_frame(root, split, number, size, seed)
            done += 1
            if progress is not None:
                progress(done, total)


def _write_frame(root: Path, split: str, number: int, size: tuple[int, int], seed: int) -> None:
    street = draw_street(seed, _FIRST_INDEX[split] + number, size)
    city = _CITIES[split][number % len(_CITIES[split])]
    stem = f"{city}_{number:06d}_000000"
    images, labels = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    write_image(images / f"{stem}_leftImg8bit.png", street.image)
    write_image(labels / f"{stem}_gtFine_labelIds.png", street.label_ids)
    write_image(labels / f"{stem}_gtFine_instanceIds.png", street.instance_ids.astype(np.uint16))


def _put_in_place(part: Path, root: Path, parameters: dict[str, Any]) -> None:
    """Rename; where another process was faster with the same frames, use its folder."""
    if root.is_dir():
        earlier = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
        try:
            os.replace(root, earlier / root.name)
        except FileNotFoundError:
            pass
        shutil.rmtree(earlier, ignore_errors=True)
    try:
        os.replace(part, root)
    except OSError:
        if not _holds(root, parameters):
            raise
