"""Finds images that occur more than once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from icnet.data.check.findings import Finding, Kind

T = TypeVar("T")


class Place(NamedTuple):
    """An image in a split. digest: of its pixels, where they were read."""

    split: str
    image: Path
    digest: str | None = None


def find_duplicates(places: Iterable[Place]) -> Iterator[Finding]:
    """Images with the same pixels, where those are known; else with the same bytes.

    Only files of equal length are compared byte by byte: of most data sets that is none or few.
    """
    places = list(places)
    for same in _groups((p for p in places if p.digest is not None), lambda place: place.digest):
        yield _finding(same)
    for candidates in _groups((p for p in places if p.digest is None), lambda place: place.image.stat().st_size):
        for same in _groups(candidates, lambda place: _digest(place.image)):
            yield _finding(same)


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
    names = [str(place.image) for place in same]
    if len({place.split for place in same}) == 1:
        return Finding(Kind.REPEATED, f"{' and '.join(names)} are the same image: it counts that often in training")
    where = " and ".join(f"{place.image} ({place.split})" for place in same)
    return Finding(
        Kind.LEAK, f"{where} are the same image: a network that has seen it is not tested by it; keep it in one split"
    )


def _groups(items: Iterable[T], key: Callable[[T], Hashable]) -> Iterator[list[T]]:
    """Those that share their key with another one."""
    found: dict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return (group for group in found.values() if len(group) > 1)
