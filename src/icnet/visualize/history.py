"""What a run logged, step by step: metrics.csv as columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from icnet.errors import DataError
from icnet.files import read_whole_lines


@dataclass(frozen=True)
class History:
    """The columns of metrics.csv, all of the same length; None where a row has no such value."""

    columns: Mapping[str, Sequence[float | None]]

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """The steps at which `name` was logged, and its values there; two empty lists where it never was."""
        pairs = [
            (int(step), value)
            for step, value in zip(self.columns.get("step", ()), self.columns.get(name, ()), strict=False)
            if step is not None and value is not None
        ]
        return [step for step, _ in pairs], [value for _, value in pairs]


def read_history(path: Path) -> History:
    """Read metrics.csv, without a last line that was cut off (the run is still going, or was killed)."""
    try:
        names, *rows = list(csv.reader(read_whole_lines(path))) or [[]]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table of comma-separated values ({error}): restore it or train again") from error
    columns: dict[str, list[float | None]] = {name: [] for name in names}
    for line, row in enumerate(rows, start=2):
        for place, name in enumerate(names):
            cell = row[place].strip() if place < len(row) else ""
            columns[name].append(_number(cell, f"{path}, line {line}, column {name}") if cell else None)
    return History(columns)


def _number(cell: str, source: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise DataError(f"{source}: {cell!r} is no number; restore the file or train again") from error
