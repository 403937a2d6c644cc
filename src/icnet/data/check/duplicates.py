"""Finds images that occur more than once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from icnet.data.check.findings import Finding, Kind
from icnet.data.images import Pixels

T = TypeVar("T")
_GRID = (9, 8)  # columns and rows of grey values, of which neighbours are compared: 64 bits
_NEAR = (
    3  # bits in which two pictures of the same may differ; frames of CamVid's training and validation do in 9 or more
)
_SHOWN = 4  # images that a sentence names
_FLAT = 2.0  # standard deviation of grey values below which a picture shows nothing to compare


class Place(NamedTuple):
    """An image in a split. digest: of its pixels, outline: of what it shows, where they were read."""

    split: str
    image: Path
    digest: str | None = None
    outline: int | None = None


def draw_outline(pixels: Pixels) -> int | None:
    """64 bits, the same or nearly so for the same picture in another size, brightness or file; None for a flat one.

    Where grey values rise from left to right over a coarse grid (Krawetz, "dHash", 2013).
    """
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), _GRID, interpolation=cv2.INTER_AREA).astype(np.int16)
    if small.std() < _FLAT:
        return None
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def find_duplicates(places: Iterable[Place]) -> Iterator[Finding]:
    """Images with the same pixels, where those are known; else with the same bytes. Then those that look the same.

    Only files of equal length are compared byte by byte: of most data sets that is none or few.
    """
    places = list(places)
    same = [*_groups((p for p in places if p.digest is not None), lambda place: place.digest)]
    for candidates in _groups((p for p in places if p.digest is None), lambda place: place.image.stat().st_size):
        same += _groups(candidates, lambda place: _digest(place.image))
    yield from map(_finding, same)
    said = {place.image for group in same for place in group}
    by_split: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        if place.outline is not None and place.image not in said:
            by_split[place.split].append(place)
    for here, there in combinations(by_split.values(), 2):
        yield from _find_near(here, there)


def _find_near(here: Sequence[Place], there: Sequence[Place]) -> Iterator[Finding]:
    """The nearest one in another split of each image that looks like it."""
    outlines = np.array([place.outline for place in here], np.uint64)
    for place in there:
        apart = np.bitwise_count(outlines ^ np.uint64(place.outline or 0))
        nearest = here[int(apart.argmin())]
        if apart.min() <= _NEAR:
            yield Finding(
                Kind.NEAR,
                f"{nearest.image} ({nearest.split}) and {place.image} ({place.split}) look the same: a score on one of them "
                "flatters where the other trains; keep frames of one scene in one split",
            )


def find_copies(images: Iterable[Path], originals: Iterable[Path]) -> dict[Path, Path]:
    """Those of `images` that are one of `originals` byte for byte, under any name, and which. Read where lengths agree."""
    by_length, images = defaultdict(list), list(images)
    for original in originals:
        by_length[original.stat().st_size].append(original)
    near = [image for image in images if image.stat().st_size in by_length]
    known = {_digest(path): path for length in {i.stat().st_size for i in near} for path in by_length[length]}
    return {image: known[digest] for image in near if (digest := _digest(image)) in known}


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _finding(same: list[Place]) -> Finding:
    """One of each split comes first."""
    first = {place.split: place for place in reversed(same)}
    shown = sorted(same, key=lambda place: place is not first[place.split])[:_SHOWN]
    more = [f"{len(same) - _SHOWN} others"] if len(same) > _SHOWN else []
    if len(first) == 1:
        names = " and ".join([*(str(place.image) for place in shown), *more])
        return Finding(Kind.REPEATED, f"{names} are the same image: it counts that often in training")
    where = " and ".join([*(f"{place.image} ({place.split})" for place in shown), *more])
    return Finding(
        Kind.LEAK, f"{where} are the same image: a network that has seen it is not tested by it; keep it in one split"
    )


def _groups(items: Iterable[T], key: Callable[[T], Hashable]) -> Iterator[list[T]]:
    """Those that share their key with another one."""
    found: dict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return (group for group in found.values() if len(group) > 1)
