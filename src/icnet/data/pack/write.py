"""Pack a split: decode its frames once, into a file that training maps into memory."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from icnet.data.images import read_pair
from icnet.data.labels import ClassTable
from icnet.data.pack.blocks import encode_plain, encode_strips
from icnet.data.pack.index import (
    AGAIN,
    INDEX,
    Entry,
    Index,
    Kind,
    Origin,
    describe,
    kind_of,
    map_data,
    read_index,
    to_line,
    to_lines,
)
from icnet.data.pipeline import overlap
from icnet.data.samples import Sample
from icnet.errors import DataError
from icnet.files import unwritable
from icnet.model.preprocess import WHOLE_DEPTH

_DRAFT = f"{INDEX}.part"  # the index of a pack that is not finished
Progress = Callable[[int, int], None]


class Packed(NamedTuple):
    """frames: in the pack; written: of these, by this call; bytes: of the pack; source_bytes: of what it was made from."""

    frames: int
    written: int
    bytes: int
    source_bytes: int


class _Block(NamedTuple):
    """A frame as it will lie in the data file."""

    height: int
    width: int
    parts: list[bytes]


def pack(
    samples: Sequence[Sample],
    classes: ClassTable,
    folder: Path,
    *,
    compress: bool = False,
    bit_depth: int = WHOLE_DEPTH,
    workers: int = 1,
    progress: Progress | None = None,
) -> Packed:
    """Make sure that `folder` holds a whole pack of these samples of a split.

    One that is there is checked byte by byte and left as it is; one that was begun is checked and gone on with. Whoever
    reads the folder finds the earlier pack until the new one is whole.
    bit_depth: as `read_image` says. workers: threads that decode; progress: called with the number of frames done and of
    those wanted.
    """
    origins = [describe(sample, folder) for sample in samples]
    kind = kind_of(classes, compress, bit_depth)
    report = progress or (lambda done, wanted: None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_ours(folder)
        with (folder / _DRAFT).open("a+", encoding="utf-8") as draft:
            _lock(draft, folder)
            index = _whole_part(folder, INDEX, kind, origins)
            kept = len(index.entries)
            if kept < len(samples):
                index = _whole_part(folder, _DRAFT, kind, origins)
                kept = len(index.entries)
                _restart(draft, index)
                blocks = overlap(lambda s: _encode(s, classes, kind), samples[kept:], workers)
                index = _append(folder, draft, index, zip(origins[kept:], blocks, strict=True), report, len(samples))
                _verify(folder, index, kept)
                os.replace(folder / _DRAFT, folder / INDEX)
            _clear(folder, index.data)
    except OSError as error:
        raise unwritable(folder, error) from error
    size = sum(entry.length for entry in index.entries)
    return Packed(len(samples), len(samples) - kept, size, sum(o.image_bytes + o.label_bytes for o in origins))


def _check_ours(folder: Path) -> None:
    """Refuse a folder of something else: what is in the way here is deleted."""
    others = sorted(p.name for p in folder.iterdir() if p.name not in (INDEX, _DRAFT) and not _is_data(p))
    if others:
        raise DataError(f"{folder} holds files that are no pack ({', '.join(others[:3])}): choose another data.packed")


def _is_data(path: Path) -> bool:
    return path.name.startswith("frames-") and path.suffix == ".bin"


def _lock(draft: TextIO, folder: Path) -> None:
    """For as long as the file is open: a process that dies lets go of it."""
    try:
        fcntl.flock(draft, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"{folder} is being packed by another process: wait for it, or stop it first") from None


def _whole_part(folder: Path, name: str, kind: Kind, origins: Sequence[Origin]) -> Index:
    """The first frames of an index, finished or not, that are what is wanted and lie whole in its data file."""
    try:
        index = read_index(folder / name)
        data = map_data(folder / index.data)
    except (FileNotFoundError, DataError):
        return _new(kind)
    if index.kind != kind:
        return _new(kind)
    pairs = zip(index.entries, origins, strict=False)
    good = itertools.takewhile(lambda pair: pair[0].origin == pair[1] and pair[0].is_whole(data), pairs)
    return Index(kind, index.data, [entry for entry, _ in good])


def _new(kind: Kind) -> Index:
    """Of a data file whose name no earlier pack has: whoever has that one mapped keeps it."""
    return Index(kind, f"frames-{secrets.token_hex(4)}.bin", [])


def _restart(draft: TextIO, index: Index) -> None:
    """Cut off what follows the frames that are whole."""
    draft.truncate(0)
    draft.writelines(to_lines(index))
    draft.flush()


def _append(
    folder: Path,
    draft: TextIO,
    index: Index,
    blocks: Iterator[tuple[Origin, _Block]],
    progress: Progress,
    wanted: int,
) -> Index:
    """Write the frames that are missing; a line of the draft follows the bytes that it is about."""
    entries = list(index.entries)
    with (folder / index.data).open("ab") as file:
        file.truncate(entries[-1].end if entries else 0)
        progress(len(entries), wanted)
        for origin, block in blocks:
            offset = entries[-1].end if entries else 0
            entry = Entry(origin, block.height, block.width, offset, sum(map(len, block.parts)), _crc32(block.parts))
            file.writelines(block.parts)
            file.flush()
            draft.write(to_line(entry))
            draft.flush()
            entries.append(entry)
            _check_space(folder, entries, wanted - len(entries), index.kind.compressed)
            progress(len(entries), wanted)
        os.fsync(file.fileno())
    os.fsync(draft.fileno())
    return Index(index.kind, index.data, entries)


def _verify(folder: Path, index: Index, kept: int) -> None:
    """Read back what was written after the first `kept` frames."""
    data = map_data(folder / index.data)
    for entry in index.entries[kept:]:
        if not entry.is_whole(data):
            raise DataError(f"{folder / index.data} does not hold what was written to it: check the disk; {AGAIN}")


def _encode(sample: Sample, classes: ClassTable, kind: Kind) -> _Block:
    image, label = read_pair(*sample, classes, bit_depth=kind.bit_depth)
    return _Block(len(label), label.shape[1], (encode_strips if kind.compressed else encode_plain)(image, label))


def _check_space(folder: Path, entries: Sequence[Entry], frames: int, compressed: bool) -> None:
    """Whether `frames` more have room, if they are as large as those of the pack are on average."""
    free = shutil.disk_usage(folder).free
    needed = frames * entries[-1].end // len(entries)
    if free < needed:
        remedies = [
            "free the disk",
            "set data.packed to another one",
            *([] if compressed else ["add task.compress=true"]),
        ]
        raise DataError(
            f"{folder} has room for {free / 2**20:,.0f} MiB, but what is left to pack takes about {needed / 2**20:,.0f} "
            f"MiB: {', or '.join(remedies)}; frames that are packed are kept"
        )


def _crc32(parts: Sequence[bytes]) -> int:
    value = 0
    for part in parts:
        value = zlib.crc32(part, value)
    return value


def _clear(folder: Path, data: str) -> None:
    """Take away what an earlier pack left."""
    with contextlib.suppress(FileNotFoundError):
        (folder / _DRAFT).unlink()
    for path in folder.iterdir():
        if _is_data(path) and path.name != data:
            path.unlink()
