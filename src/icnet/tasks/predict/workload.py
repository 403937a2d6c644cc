"""What predicting images and videos share: the clock around the network, the progress bar, what is said at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from icnet.data.images import Pixels
from icnet.errors import DataError
from icnet.predict import Predictor
from icnet.tasks.setup.trainer import is_out_of_memory

Result = TypeVar("Result")


@dataclass
class Outcome:
    """What became of a source.

    unit: images or frames. sizes: (height, width) of each that was predicted. network_s: seconds of each in the network.
    seconds: of all together, from reading the first to having written the last. failures: a line for each that failed.
    skipped: files in the source's folders that are no images.
    """

    unit: str
    sizes: list[tuple[int, int]] = field(default_factory=list)
    network_s: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def images(self) -> int:
        """How many were predicted and written."""
        return len(self.sizes)

    def label(self, predictor: Predictor, frame: Pixels, file: Path) -> Pixels:
        """The label map of a frame of `file`; its time is taken down. DataError where it is too small or too large."""
        begin = time.perf_counter()
        try:
            label_map = predictor(frame)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            size = f"{frame.shape[0]}x{frame.shape[1]}"
            raise DataError(f"{file} is {size}: out of memory; give task.size or task.window") from error
        self.network_s.append(time.perf_counter() - begin)
        return label_map

    def follow(self, results: Iterable[Result], total: int | None) -> Iterator[Result]:
        """Pass results on as they come, under a progress bar on a terminal and a clock."""
        columns = (TextColumn(self.unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        begin = time.perf_counter()
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            yield from bar.track(results, total=total)
        self.seconds = time.perf_counter() - begin
