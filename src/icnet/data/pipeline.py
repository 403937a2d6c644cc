"""Let decoding, network and encoding overlap: in threads of their own, ahead of whoever takes the results."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import repeat
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2  # items beyond those in work: enough to even out slow ones, few enough for large images


def count_cores() -> int:
    """Cores that this process may use: a scheduler may have given it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def overlap(step: Callable[[Item], Result], items: Iterable[Item], workers: int = 1) -> Iterator[Result]:
    """step(item) of each item in order, computed by threads while the caller is busy with earlier results.

    Used twice around a loop that computes, the first call reads ahead of it and the second one writes behind it: the
    items of the second are taken in the caller's own thread. At most workers + AHEAD items wait at each of them.
    What is under way is finished when the caller stops early.

    workers: threads; with one, the steps are taken in order, one at a time, as a video needs it.
    """
    with ThreadPoolExecutor(workers) as threads:
        pending: deque[Future[Result]] = deque()
        for item in items:
            pending.append(threads.submit(step, item))
            if len(pending) >= workers + AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """All items; the next ones are taken in a thread while one is used."""
    for item in overlap(lambda _: next(items, None), repeat(None)):
        if item is None:
            return
        yield item


@contextmanager
def newest(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """The items as they come: of those that come while the caller is busy, the last one alone. They are taken in a thread.

    One item waits at most. The end of the block waits for the one that is under way.
    """
    waiting: SimpleQueue[Item | None] = SimpleQueue()
    stopped = Event()

    def take() -> None:
        for item in items:
            if stopped.is_set():
                return
            with suppress(Empty):
                waiting.get_nowait()
            waiting.put(item)

    def arrivals() -> Iterator[Item]:
        while (item := waiting.get()) is not None:
            yield item
        taking.result()

    with ThreadPoolExecutor(1) as thread:
        taking = thread.submit(take)
        taking.add_done_callback(lambda _: waiting.put(None))
        try:
            yield arrivals()
        finally:
            stopped.set()
