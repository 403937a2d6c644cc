"""Ctrl-C and SIGTERM, for tasks that write one result after the other."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from icnet.errors import Interrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """A first signal raises `Interrupted`, with the signal's own status, in the block; a second one acts as usual."""
    earlier = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted(f"stopped by {signal.Signals(number).name}", status=128 + number)
