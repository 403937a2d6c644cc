"""The index of a pack: which frames lie where in its data file, and from which source files they were made."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from icnet.data.images import Pixels
from icnet.data.labels import ClassTable
from icnet.data.samples import Sample
from icnet.errors import DataError
from icnet.model.preprocess import WHOLE_DEPTH

FORMAT = 1
INDEX = "index.jsonl"
AGAIN = "run task=prepare task.pack=true again"


class Origin(NamedTuple):
    """The files of a frame, relative to the pack's folder, and what they were: bytes and time of change in nanoseconds."""

    image: str
    label: str
    image_bytes: int
    image_changed: int
    label_bytes: int
    label_changed: int


class Entry(NamedTuple):
    """A frame in the data file."""

    origin: Origin
    height: int
    width: int
    offset: int
    length: int
    crc32: int

    @property
    def end(self) -> int:
        return self.offset + self.length

    def is_whole(self, data: Pixels) -> bool:
        """Whether these bytes are there, unchanged."""
        return self.end <= len(data) and zlib.crc32(data[self.offset : self.end].data) == self.crc32


@dataclass(frozen=True)
class Kind:
    """What a pack is, apart from its frames.

    classes: ClassTable.to_dict() of the labels. bit_depth: as `read_image` says.
    """

    format: int
    compressed: bool
    classes: dict[str, Any]
    bit_depth: int = WHOLE_DEPTH


@dataclass(frozen=True)
class Index:
    """kind: of the pack; data: name of the data file; entries: its frames, in the order of the data file."""

    kind: Kind
    data: str
    entries: Sequence[Entry]


def describe(sample: Sample, folder: Path) -> Origin:
    """The files of a sample as they are now, for a pack in `folder`."""
    try:
        image, label = sample.image.stat(), sample.label.stat()
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    names = [os.path.relpath(path, folder) for path in sample]
    return Origin(names[0], names[1], image.st_size, image.st_mtime_ns, label.st_size, label.st_mtime_ns)


def kind_of(classes: ClassTable, compressed: bool, bit_depth: int) -> Kind:
    """Of a pack that is written now."""
    return Kind(FORMAT, compressed, classes.to_dict(), bit_depth)


def read_index(path: Path) -> Index:
    """JSON lines: the kind and the name of the data file, then a line a frame. A last line that is cut off is left out.

    Raises FileNotFoundError where there is no such file, DataError where it is no index.
    """
    content = path.read_bytes()
    try:
        head, *frames = content.rpartition(b"\n")[0].split(b"\n")
        first = json.loads(head)
        kind = Kind(first["format"], first["compressed"], first["classes"], first.get("bit_depth", WHOLE_DEPTH))
        return Index(kind, first["data"], [_entry(json.loads(line)) for line in frames])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not the index of a pack (format {FORMAT}): {AGAIN}") from error


def to_lines(index: Index) -> Iterator[str]:
    """What read_index reads."""
    yield json.dumps({**index.kind.__dict__, "data": index.data}) + "\n"
    yield from map(to_line, index.entries)


def to_line(entry: Entry) -> str:
    """A frame in the index."""
    return json.dumps({**entry.origin._asdict(), **dict(zip(Entry._fields[1:], entry[1:], strict=True))}) + "\n"


def _entry(frame: dict[str, Any]) -> Entry:
    return Entry(Origin(*(frame[n] for n in Origin._fields)), *(frame[n] for n in Entry._fields[1:]))


def map_data(path: Path) -> Pixels:
    """The bytes of a data file, read where they are touched."""
    if path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, "r").view(np.ndarray)
