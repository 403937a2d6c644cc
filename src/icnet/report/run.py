"""What a report is made from: the files that a run left in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from icnet.errors import DataError
from icnet.metrics.segments import SIZE_LIMITS, SIZE_UNIT
from icnet.report.values import is_number, is_pair
from icnet.visualize.history import History, read_history


@dataclass(frozen=True)
class Run:
    """A folder and the two files that have been read from it; `history` is empty where nothing was trained."""

    folder: Path
    results: Mapping[str, Any]
    history: History = field(default_factory=lambda: History({}))

    @property
    def task(self) -> str:
        return str(self.results.get("task", "run"))

    @property
    def name(self) -> str:
        return str(self.results.get("name") or self.folder.name)

    @property
    def metrics(self) -> Mapping[str, Any]:
        return _mapping(self.results.get("metrics"))

    def nested(self, name: str) -> Mapping[str, Any]:
        """A mapping among the metrics; empty where there is none of that name."""
        return _mapping(self.metrics.get(name))

    @property
    def iou(self) -> Mapping[str, float | None]:
        """IoU by class, in the order of the data set."""
        return self.nested("iou")

    @property
    def exits(self) -> Mapping[str, Mapping[str, Any]]:
        """The exits of the cascade that have a score."""
        known = {name: _mapping(exit) for name, exit in self.nested("exits").items()}
        return {name: exit for name, exit in known.items() if is_number(exit.get("miou"))}

    @property
    def protocol(self) -> Mapping[str, Any]:
        return _mapping(self.results.get("protocol"))

    @property
    def colors(self) -> Mapping[str, tuple[int, int, int]]:
        """Colours by class, (red, green, blue); empty where the protocol has none."""
        classes = _mapping(self.protocol.get("classes"))
        pairs = zip(classes.get("names") or (), classes.get("colors") or (), strict=False)
        return {name: (int(red), int(green), int(blue)) for name, (red, green, blue) in pairs}

    @property
    def segment_sides(self) -> list[float]:
        """Squares of these sides, in pixels, are as large as the limits between sizes of segments."""
        size = self.protocol.get("image_size")
        return [math.sqrt(limit / SIZE_UNIT * size[0] * size[1]) for limit in SIZE_LIMITS] if is_pair(size) else []


def read_run(folder: Path) -> Run:
    """Read results.json, and metrics.csv where there is one."""
    table = folder / "metrics.csv"
    return Run(folder, _read_results(folder / "results.json"), read_history(table) if table.is_file() else History({}))


def _read_results(path: Path) -> Mapping[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): a report needs the folder of a run that came to its end"
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}): run the task again") from error
    if not isinstance(results, dict):
        raise DataError(f"{path} holds no object with task, metrics and protocol: run the task again")
    return results


class _Known(dict[str, Any]):
    """Values by name; None for what a run did not leave."""

    def __missing__(self, name: str) -> None:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return _Known(value if isinstance(value, Mapping) else {})
