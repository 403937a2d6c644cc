"""What runs in other processes are given: an augmentation that writes down each draw, a logger that takes its time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from icnet.data.images import Pixels
from icnet.data.transforms import Augment
from icnet.data.windows import Source
from icnet.processes import is_follower

DRAWS, STOP_AFTER = "TEST_DRAWS", "TEST_STOP_AFTER"  # a file; how many draws of the first process bring it a SIGTERM


class RecordingAugment(Augment):
    """With data.num_workers=0, what is drawn is what is trained on."""

    drawn = 0

    def __call__(self, image: Source, label: Source, key: Sequence[int]) -> tuple[Pixels, Pixels]:
        _, epoch, sample = key
        with open(os.environ[DRAWS], "a") as file:
            file.write(f"{epoch} {sample}\n")
        self.drawn += 1
        if str(self.drawn) == os.environ.get(STOP_AFTER) and not is_follower():
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__call__(image, label, key)


class SlowLogger(Logger):
    """Takes so many seconds over its last words, as an upload does."""

    name = version = None  # type: ignore[assignment]

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Nothing."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def finalize(self, status: str) -> None:
        if status == "failed" and not is_follower():
            time.sleep(self.seconds)


def read_draws(path: Path) -> list[tuple[int, int]]:
    """(epoch, sample) of each draw of all processes."""
    return [(int(epoch), int(sample)) for epoch, sample in map(str.split, path.read_text().splitlines())]
