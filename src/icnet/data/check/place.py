"""Finds out where a data set lies that is not where it was said to lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from icnet.data.camvid import is_original
from icnet.data.samples import Layout
from icnet.errors import DataError


def holds(layout: Layout, splits: Sequence[str]) -> bool:
    """Whether a split is there."""
    for split in splits:
        try:
            survey = layout.survey(split)
        except (DataError, OSError):
            continue
        if survey.samples or survey.refused:
            return True
    return False


def say_place(error: DataError, layout: Callable[[Path], Layout], root: Path, splits: Sequence[str]) -> DataError:
    """The error of a layout that found nothing, with the remedy where one can be seen in or around `root`."""
    fault = str(error).partition(";")[0]
    if not root.is_dir():
        return error
    if is_original(root):
        return DataError(
            f"{root} holds CamVid as its authors publish it, with 32 colours: task.convert=DIR writes it to DIR with the 11 "
            "classes and the three splits that data=camvid reads (task.half=true: 360x480)"
        )
    for place in _around(root):
        if holds(layout(place), splits):
            return DataError(f"{fault}; it lies in {place}: set data.root={place}")
    return error


def _around(root: Path) -> Iterator[Path]:
    """One and two levels up, then down."""
    yield from list(root.absolute().parents)[:2]
    below = _folders(root)
    yield from below
    yield from (p for folder in below for p in _folders(folder))


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if os.access(folder, os.R_OK | os.X_OK) else []
