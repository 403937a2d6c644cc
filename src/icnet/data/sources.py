"""What predict reads: an image, a folder, a glob or a list of images, a video, or a stream; what its results are called."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from icnet.data.images import IMAGE_SUFFIXES
from icnet.data.layouts import read_lines
from icnet.data.samples import is_image
from icnet.data.video import VIDEO_SUFFIXES
from icnet.data.walk import is_run, walk
from icnet.errors import DataError

LIST_SUFFIXES = (".txt", ".list")
SOURCES = "IMAGE, DIR, GLOB, LIST.txt, VIDEO, a camera's number or an address"
_CAMERA = re.compile("[0-9]{1,2}")


class Picture(NamedTuple):
    """An image of a source.

    name: its place in the source, without the suffix: aachen/aachen_000000_000019_leftImg8bit.
    """

    file: Path
    name: str

    @property
    def base(self) -> Path:
        """The folder that its name is relative to."""
        return self.file.parents[len(Path(self.name).parts) - 1]

    @property
    def place(self) -> str:
        """Its path below that folder, with the suffix."""
        return self.file.relative_to(self.base).as_posix()


class Found(NamedTuple):
    """What a source names: its images, and the files of its folders that are none, relative to the source."""

    pictures: list[Picture]
    others: list[str]


def is_stream(source: str) -> bool:
    """An address, or the number of a camera; a file or folder that is called 0 comes first."""
    return "://" in source or (_CAMERA.fullmatch(source) is not None and not Path(source).exists())


def is_video(source: str) -> bool:
    """A single file by its name; or a stream."""
    if is_stream(source):
        return True
    path = Path(source).expanduser()
    is_single = path.is_file() or not (path.is_dir() or glob.has_magic(source))
    return is_single and path.suffix.lower() in VIDEO_SUFFIXES


def find_pictures(source: str) -> Found:
    """The images of a source, each with a name of its own. What exists under that very name is never taken for a glob.

    A folder is read with its subfolders; hidden ones are left out, and so are the folders of runs, which hold results.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        base, files = path, list(walk(path))
    elif path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        base, files = path.parent, list(_read_list(path))
    elif path.is_file():
        base, files = path.parent, [_check_suffix(path)]
    elif glob.has_magic(source):
        base, files = _split_glob(path)
    else:
        raise DataError(f"there is no source {path}: give source={SOURCES}")
    images = files if path.is_file() else [file for file in files if is_image(file)]
    if not images:
        raise DataError(
            f"source={source} names no images: give images ({' '.join(IMAGE_SUFFIXES)}), a video by its own path, "
            "or another folder, glob or list (hidden folders and those of runs are left out)"
        )
    return Found(_name(images, base), sorted(os.path.relpath(file, base) for file in {*files} - {*images}))


def _read_list(path: Path) -> Iterator[Path]:
    """One image a line: relative to the list's folder, or else to the working directory.

    Of lines in the form of data=list, IMAGE LABEL, the image is taken. A file that is missing is not refused here: it
    fails by itself, and the others are predicted.
    """
    for _, line in read_lines(path):
        image = line.split("\t")[0] if "\t" in line else line.split()[0]
        places = [folder / name.strip() for name in (line, image) for folder in (path.parent, Path())]
        yield next((place for place in places if place.is_file()), places[0])


def _check_suffix(path: Path) -> Path:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        known = " ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LIST_SUFFIXES))
        raise DataError(f"source={path} is no image, video or list by its name (known: {known}): convert or rename it")
    return path


def _split_glob(pattern: Path) -> tuple[Path, list[Path]]:
    """The folder before the first wildcard, and the files that match; a folder that matches is read as one."""
    base = Path(*takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    files: list[Path] = []
    for match in sorted(map(Path, glob.iglob(str(pattern), recursive=True))):
        between = (base / part for part in _steps(match.relative_to(base)))
        if not any(is_run(folder) for folder in between):
            files += walk(match) if match.is_dir() else [match]
    return base, files


def _steps(path: Path) -> list[Path]:
    """a, a/b, a/b/c of a/b/c."""
    return [Path(*path.parts[: n + 1]) for n in range(len(path.parts))]


def _name(files: Iterable[Path], base: Path) -> list[Picture]:
    """Name each file by its path below `base`, or below the folder that all share where one lies elsewhere.

    Files that differ in their suffix alone keep it in their names: their results would overwrite one another.
    """
    unique = [Path(file) for file in dict.fromkeys(map(os.path.abspath, files))]
    base = Path(os.path.abspath(base))
    if not all(file.is_relative_to(base) for file in unique):
        base = Path(os.path.commonpath([file.parent for file in unique]))
    whole = [file.relative_to(base) for file in unique]
    return [Picture(file, name) for file, name in zip(unique, _distinct(whole), strict=True)]


def _distinct(whole: Sequence[Path]) -> list[str]:
    names = [path.with_suffix("").as_posix() for path in whole]
    while len(set(names)) < len(names):
        count = Counter(names)
        names = [path.as_posix() if count[name] > 1 else name for name, path in zip(names, whole, strict=True)]
    return names
