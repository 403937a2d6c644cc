"""Writes generated street scenes to disk in the layout of Cityscapes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2

from icnet.errors import ConfigError, DataError
from icnet.streets.scene import Street, draw_street

VERSION = 2  # of the generator: frames of another version are drawn anew
_RECORD = "streets.json"
_CITIES = {"train": ("ahornstadt", "birkenau", "corvina", "dunmere"), "val": ("elmsford", "fjordby")}
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]


class _Frame(NamedTuple):
    """Which frame of the generator becomes which files."""

    split: str
    city: str
    number: int


def write_streets(
    root: Path,
    *,
    train: int,
    val: int,
    size: tuple[int, int],
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make sure that `root` holds these streets, and return it.

    train, val: how many frames; size: (height, width), each from 64 to 4096; progress: called with the number of frames
    written and of those wanted.
    Streets with other parameters are replaced. Raises DataError where root holds files that are not ours.
    """
    root = Path(root)
    _check(train, val, size)
    record = {"version": VERSION, "train": train, "val": val, "size": [int(n) for n in size], "seed": seed}
    if _holds(root, record):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        draft.chmod(0o755)
        _write_frames(draft, train, val, (int(size[0]), int(size[1])), seed, progress)
        (draft / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        _move(draft, root, record)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _check(train: int, val: int, size: tuple[int, int]) -> None:
    if min(train, val) < 0:
        raise ConfigError(f"data.prepare: train is {train} and val is {val}: give numbers of frames, 0 or more")
    if len(size) != 2 or not 64 <= min(size) <= max(size) <= 4096:
        raise ConfigError(f"data.prepare.size is {list(size)}: give [height, width], each from 64 to 4096")


def _holds(root: Path, record: dict[str, object]) -> bool:
    """Whether these streets are there already; raises DataError where something else is."""
    try:
        return bool(json.loads((root / _RECORD).read_text(encoding="utf-8")) == record)
    except (FileNotFoundError, NotADirectoryError):
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise DataError(
                f"{root} holds files that are no generated streets (it has no {_RECORD}): choose another data.root"
            ) from None
    except ValueError:
        pass  # a broken record of ours: draw the streets anew
    return False


def _write_frames(
    draft: Path, train: int, val: int, size: tuple[int, int], seed: int, progress: Callable[[int, int], None] | None
) -> None:
    for done, frame in enumerate(_frames(train, val)):
        _write_frame(draft, frame, draw_street(seed, frame.number, size))
        if progress is not None:
            progress(done + 1, train + val)


def _frames(train: int, val: int) -> Iterator[_Frame]:
    """Even indices for training and odd ones for validation: however many there are, no frame is in both."""
    for split, count, parity in (("train", train, 0), ("val", val, 1)):
        cities = _CITIES[split]
        for k in range(count):
            yield _Frame(split, cities[k * len(cities) // count], 2 * k + parity)


def _write_frame(draft: Path, frame: _Frame, street: Street) -> None:
    name = f"{frame.city}_{frame.number:06d}_000000"
    parts = (
        ("leftImg8bit", "leftImg8bit", cv2.cvtColor(street.image, cv2.COLOR_RGB2BGR)),
        ("gtFine", "gtFine_labelIds", street.label_ids),
        ("gtFine", "gtFine_instanceIds", street.instance_ids),
    )
    for folder, suffix, picture in parts:
        path = draft / folder / frame.split / frame.city / f"{name}_{suffix}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        ok, data = cv2.imencode(".png", picture, _FAST)
        if not ok:
            raise DataError(f"{path} could not be encoded as PNG: choose another data.prepare.size")
        path.write_bytes(data.tobytes())


def _move(draft: Path, root: Path, record: dict[str, object]) -> None:
    """Put the draft in root's place; another process that was faster with the same streets has done our work."""
    for _ in range(10):
        try:
            os.replace(draft, root)
            return
        except OSError:
            if _holds(root, record):
                return
            _clear(root, record)
    raise DataError(f"{root} could not be replaced by generated streets: remove it, or choose another data.root")


def _clear(root: Path, record: dict[str, object]) -> None:
    """Take away an older version of ours, at once rather than file by file: nobody is to see half of it."""
    grave = Path(tempfile.mkdtemp(prefix=f".{root.name}-old-", dir=root.parent))
    with contextlib.suppress(OSError):  # somebody else was faster
        os.replace(root, grave)
        if _holds(grave, record):  # what we took away was not the old version any more
            os.replace(grave, root)
    shutil.rmtree(grave, ignore_errors=True)
