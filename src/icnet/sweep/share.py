"""The share of the machine that each of several jobs side by side gets: CPU threads and GPUs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icnet.data.pipeline import count_cores


@dataclass(frozen=True)
class Share:
    """None leaves as it is what a single run would get."""

    threads: int | None = None
    gpus: tuple[str, ...] | None = None


class Shares:
    """Deals out the machine among `slots` jobs; every GPU has about as many jobs as any other."""

    def __init__(self, slots: int, cores: int, gpus: Sequence[str]) -> None:
        self._slots, self._cores, self._gpus = slots, cores, gpus
        self._taken: dict[int, Share] = {}

    def take(self, number: int, devices: Any, accelerator: str) -> Share:
        """The share of job `number`, which trains with trainer.devices=`devices`.

        Where the job names its GPUs itself, or takes all of them (-1, auto), it sees all of them.
        """
        if self._slots == 1:
            return Share()
        wanted = devices if type(devices) is int and devices > 0 else None
        threads = max(1, self._cores // (self._slots * (wanted or 1)))
        share = Share(threads, self._least_used(wanted) if wanted and self._gpus and accelerator != "cpu" else None)
        self._taken[number] = share
        return share

    def give_back(self, number: int) -> None:
        self._taken.pop(number, None)

    def _least_used(self, wanted: int) -> tuple[str, ...]:
        used = Counter(gpu for share in self._taken.values() for gpu in share.gpus or ())
        return tuple(sorted(self._gpus, key=lambda gpu: used[gpu])[:wanted])


def open_shares(slots: int) -> Shares:
    """The shares of this machine among `slots` jobs."""
    return Shares(slots, count_cores(), list_gpus() if slots > 1 else ())


def list_gpus() -> list[str]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name not in ("", "-1")]
    import torch  # some seconds, for jobs side by side alone

    return [str(index) for index in range(torch.cuda.device_count())]
