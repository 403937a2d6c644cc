"""Reads the file that W&B leaves of an offline run: what `wandb sync` would upload."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from icnet.tracking.wandb_file import read_records

_PATIENCE_S = 20


class RunFile:
    """The records of one run-*.wandb.

    rows: what was logged, by W&B's step. summary, config: as they were at the end. artifacts, exit_code: as recorded.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self.rows: dict[int, dict[str, Any]] = {}
        self.summary: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.artifacts: list[Any] = []
        self.run: Any = None
        self.exit_code: int | None = None
        for record, _ in read_records(path.read_bytes()):
            self._take(record)

    def _take(self, record: Any) -> None:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            self.run = record.run
            put(self.config, record.run.config.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            put(row, record.history.item)
            self.rows[row["_step"]] = row
        elif kind in ("summary", "config"):
            put(getattr(self, kind), getattr(record, kind).update)
        elif kind == "artifact":
            self.artifacts.append(record.artifact)
        elif kind == "exit":
            self.exit_code = record.exit.exit_code


def run_files(folder: Path) -> list[RunFile]:
    """The offline runs in the folder of a run, in the order of their start; W&B ends the last file in its own time."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        files = [RunFile(path) for path in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]
        if not files or files[-1].exit_code is not None or time.monotonic() > deadline:
            return files
        time.sleep(0.05)


def put(target: dict[str, Any], items: Sequence[Any]) -> None:
    """Set the values of an update, whose keys may be nested."""
    for item in items:
        *outer, last = item.nested_key or [item.key]
        node = target
        for key in outer:
            node = node.setdefault(key, {})
        node[last] = json.loads(item.value_json)


def names_of(file: RunFile, step: int) -> set[str]:
    """The names that a row has of us; its step aside."""
    return {name for name in file.rows[step] if not name.startswith(("_", "trainer/"))}
