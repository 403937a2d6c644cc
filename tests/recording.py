"""An augmentation for runs in other processes: it writes down each draw, and stops the run after some of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

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


def read_draws(path: Path) -> list[tuple[int, int]]:
    """(epoch, sample) of each draw of all processes."""
    return [(int(epoch), int(sample)) for epoch, sample in map(str.split, path.read_text().splitlines())]
