"""What predicting images and videos share: the clock around the network, the progress bar, what is said at the end."""

from __future__ import annotations

import logging
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from icnet.data.images import Pixels
from icnet.errors import DataError
from icnet.training.evaluation import is_out_of_memory

log = logging.getLogger(__name__)

Result = TypeVar("Result")
_SAY_EVERY_S = 10.0


@dataclass
class Outcome:
    """What became of a source.

    unit: images or frames. sizes: how many of each (height, width) were predicted. failures: a line for each that failed.
    network_s: seconds of each in the network. seconds: of all together, from reading the first to having written the last.
    skipped: files in the source's folders that are no images. skipped_frames: those of a video that newer ones came before.
    error: what ends the run once its results are written.
    """

    unit: str
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    network_s: array[float] = field(default_factory=lambda: array("d"))
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    skipped_frames: int | None = None
    error: BaseException | None = None

    @property
    def images(self) -> int:
        """How many were predicted and written."""
        return self.sizes.total()

    def label(self, predict: Callable[[Pixels], Pixels], frame: Pixels, title: str) -> Pixels:
        """The label map of a frame of `title`; its time is taken down. DataError where it is too small or too large."""
        begin = time.perf_counter()
        try:
            label_map = predict(frame)
        except DataError as error:
            raise DataError(f"{title}: {error}") from error
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            size = f"{frame.shape[0]}x{frame.shape[1]}"
            raise DataError(f"{title} is {size}: out of memory; give task.size or task.window") from error
        self.network_s.append(time.perf_counter() - begin)
        return label_map

    @property
    def fps(self) -> float:
        return self.images / self.seconds

    def follow(self, results: Iterable[Result], total: int | None) -> Generator[Result, None, None]:
        """Pass results on as they come, under a clock; on a terminal with a bar, without a total with a line at times."""
        columns = (TextColumn(self.unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = total is None or not sys.stderr.isatty()
        begin, said_s = time.perf_counter(), 0.0
        try:
            with Progress(*columns, console=Console(stderr=True), disable=hidden) as bar:
                for result in bar.track(results, total=total):
                    yield result
                    self.seconds = time.perf_counter() - begin
                    if total is None and self.seconds > said_s + _SAY_EVERY_S:
                        said_s = self.seconds
                        log.info("%d %s, %.1f fps", self.images, self.unit, self.fps)
        finally:
            self.seconds = time.perf_counter() - begin
