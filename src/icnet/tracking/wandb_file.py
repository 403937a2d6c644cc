"""The files in which W&B keeps a run, as far as a killed process has written them; W&B has no reader in Python."""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# private: the format of run-*.wandb (wandb 0.31.0), LevelDB's log format with W&B's own 7 bytes in front
_BLOCK = 32 * 1024
_HEADER = struct.Struct("<IHB")  # checksum, length, kind
_WHOLE, _LAST = 1, 4  # kinds of parts; the others are the first and those in the middle


def recover_logged(folder: Path) -> dict[int, set[str]]:
    """The names of what was logged at each step by the processes that have had the run in `folder`.

    A record that a kill cut off is taken away: `wandb sync` would stop at it, before the files of later processes.
    """
    logged: dict[int, set[str]] = defaultdict(set)
    for path in folder.glob("*run-*/run-*.wandb"):
        size = 0
        for record, end in read_records(path.read_bytes()):
            logged[record.history.step.num].update((item.nested_key or [item.key])[0] for item in record.history.item)
            size = end
        if size:
            os.truncate(path, size)
        else:
            path.unlink()
    return logged


def read_records(data: bytes) -> Iterator[tuple[Any, int]]:
    """The whole records of a file, each with the place where it ends."""
    # private: wandb.proto.wandb_internal_pb2.Record (wandb 0.31.0)
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    place, parts = _HEADER.size, b""
    while place + _HEADER.size <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER.size:  # no header begins here
            place += left
            continue
        _, length, kind = _HEADER.unpack_from(data, place)
        place += _HEADER.size + length
        parts += data[place - length : place]
        if kind in (_WHOLE, _LAST) and place <= len(data):
            yield Record.FromString(parts), place
            parts = b""
