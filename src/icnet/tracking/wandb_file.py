"""Reads the files in which W&B keeps a run, as far as a killed process has written them."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK = 32 * 1024  # LevelDB's log format, with W&B's own 7 bytes in front
_HEADER = struct.Struct("<IHB")  # checksum, length, kind: whole, first, middle, last
_FIRST, _LAST = (1, 2), (1, 4)


def read_logged(folder: Path) -> dict[int, set[str]]:
    """The names of what was logged at each step, in all the files of the processes that had the run in `folder`."""
    logged: dict[int, set[str]] = defaultdict(set)
    for path in sorted(folder.glob("*run-*/run-*.wandb")):
        for record in read_records(path.read_bytes()):
            if record.WhichOneof("record_type") == "history":
                logged[record.history.step.num] |= {(item.nested_key or [item.key])[0] for item in record.history.item}
    return logged


def read_records(data: bytes) -> Iterator[Any]:
    """The whole records of a file; one that was cut off is left out."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    place, parts = _HEADER.size, b""
    while place + _HEADER.size <= len(data):
        if _BLOCK - place % _BLOCK < _HEADER.size:
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = _HEADER.unpack_from(data, place)
        place += _HEADER.size
        parts = (b"" if kind in _FIRST else parts) + data[place : place + length]
        place += length
        if kind in _LAST and place <= len(data):
            yield Record.FromString(parts)
