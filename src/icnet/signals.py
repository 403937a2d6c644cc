"""Signals that end a run: they end every task with their own status, from its first line to its last."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread, Timer
from types import FrameType

from icnet.errors import Interrupted
from icnet.processes import is_follower

Reaction = Callable[[int], object]

SIGNALS = [getattr(signal, f"SIG{name}") for name in ("INT", "TERM", "USR1", "HUP") if hasattr(signal, f"SIG{name}")]
_TOGETHER_S = 1.0  # `timeout` and schedulers send a signal to a process and to its group: those two are one
_AGAIN_S = 0.01
_PATIENCE_S = 5.0


class _Signals:
    """What this process does about them.

    react: sees the first signal, in place of the end that it would be.
    pass_on: sends a signal to the further processes of this run.
    """

    def __init__(self) -> None:
        self.react: Reaction | None = None
        self.pass_on: Reaction | None = None
        self._stopped_by: int | None = None
        self._at = float("-inf")

    def receive(self, number: int, frame: FrameType | None) -> None:
        now, react = time.monotonic(), self.react
        if now - self._at < _TOGETHER_S:
            return
        self._at, self.react = now, None
        if react is not None:
            react(number)
        elif self._stopped_by is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        else:
            self._stopped_by = number
            if self.pass_on is not None:
                self.pass_on(number)
            raise interrupted(number)

    def recover(self, lost: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised while it clears memory: the signal then comes again, some moments later."""
        if not isinstance(lost.exc_value, Interrupted) or self._stopped_by is None:
            return sys.__unraisablehook__(lost)
        number, self._stopped_by, self._at = self._stopped_by, None, float("-inf")
        return Timer(_AGAIN_S, os.kill, (os.getpid(), number)).start()

    def watch(self, numbers: int) -> None:
        """In a thread: end the process where the main one hears nothing, since it waits in a library for what never comes.

        numbers: a pipe of the signals, until it is closed. Training may wait long for others; a follower waits for the first
        process.
        """
        number, since = 0, float("inf")  # a signal that nobody has heard yet, and when it came
        while not (ready := select.select([numbers], [], [], _PATIENCE_S)[0]) or (read := os.read(numbers, 64)):
            now = time.monotonic()
            if ready and since > now and (received := [n for n in read if n in SIGNALS]):
                number, since = received[0], now
            if self._at >= since - _PATIENCE_S or self.react is not None or is_follower():
                since = float("inf")
            elif now - since >= _PATIENCE_S:
                _end(interrupted(number))
        os.close(numbers)


def _end(stop: Interrupted) -> None:
    try:
        print(f"icnet: {stop}", file=sys.stderr, flush=True)
    finally:  # also where nobody reads it any more
        os._exit(stop.status)


_signals = _Signals()


@contextmanager
def interruptible() -> Iterator[None]:
    """A first signal raises `Interrupted` in the block, a second one acts as usual. Around all that a command does."""
    global _signals
    _signals = _Signals()
    numbers, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    Thread(target=_signals.watch, args=(numbers,), daemon=True).start()
    signal.set_wakeup_fd(wakeup)
    heard = [n for n in SIGNALS if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN]  # nohup
    earlier = {number: signal.signal(number, _signals.receive) for number in heard}
    earlier_hook, sys.unraisablehook = sys.unraisablehook, _signals.recover
    try:
        yield
    finally:
        sys.unraisablehook = earlier_hook
        for number, handler in earlier.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(wakeup)


def take_over(react: Reaction | None) -> None:
    """Let `react` see the next signal, which then ends nothing; None gives that up."""
    _signals.react = react


def pass_on(send: Reaction) -> None:
    """Call `send` with a signal that ends this process, before it does."""
    _signals.pass_on = send


def interrupted(number: int, after: str = "") -> Interrupted:
    """What a signal raises: status 130 for Ctrl-C, 143 for the others."""
    status = 128 + (signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)
    return Interrupted(f"stopped by {signal.Signals(number).name}{after}", status)
