"""Steps that overlap, and what they promise about order, errors and the number of items under way."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from icnet.data.pipeline import AHEAD, ahead, newest, overlap


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_the_order_of_the_items_however_many_threads_there_are(workers: int) -> None:
    def step(number: int) -> int:
        threading.Event().wait(0.002 * (number % 3))
        return number**2

    assert list(overlap(step, range(20), workers)) == [n**2 for n in range(20)]


def test_the_next_items_are_computed_while_the_caller_is_busy() -> None:
    second = threading.Event()

    def step(number: int) -> int:
        if number == 1:
            second.set()
        return number

    results = overlap(step, range(5))
    assert next(results) == 0
    assert second.wait(5), "the second item waits for the caller"
    results.close()  # type: ignore[attr-defined]


def test_no_more_items_are_taken_than_may_wait() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = overlap(lambda n: n, items(), workers=2)
    for _ in range(3):
        next(results)
    assert len(taken) == 2 + 2 + AHEAD


def test_items_are_taken_in_the_thread_of_the_caller_and_steps_in_others() -> None:
    """The network computes between two of them, in the thread that signals reach."""
    takers, steppers = set(), set()

    def items() -> Iterator[int]:
        for number in range(5):
            takers.add(threading.current_thread())
            yield number

    list(overlap(lambda _: steppers.add(threading.current_thread()), items()))
    assert takers == {threading.current_thread()}
    assert threading.current_thread() not in steppers


def test_an_error_arrives_at_its_place() -> None:
    results = overlap(lambda n: 1 // (n - 2), range(5))
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_is_under_way_is_finished_when_the_items_break_off() -> None:
    done: list[int] = []

    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(overlap(done.append, items()))
    assert done == [0, 1, 2]


def test_what_is_taken_ahead_is_all_there_is_in_order() -> None:
    assert list(ahead(iter(range(9)))) == list(range(9))


def test_a_slow_caller_gets_the_newest_item_and_the_last_one_is_never_lost() -> None:
    begun, all_came = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        begun.wait(5)
        yield from range(1, 100)
        all_came.set()

    with newest(items()) as arriving:
        assert next(arriving) == 0
        begun.set()
        assert all_came.wait(5)
        assert list(arriving) == [99]


def test_a_quick_caller_gets_every_item() -> None:
    asked = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(20):
            asked.acquire(timeout=5)
            yield number

    taken = []
    with newest(items()) as arriving:
        asked.release()
        for item in arriving:
            taken.append(item)
            asked.release()
    assert taken == list(range(20))


def test_the_thread_that_takes_the_newest_ends_with_the_block() -> None:
    threads = set(threading.enumerate())
    with newest(itertools.count()) as arriving:
        assert next(arriving) >= 0
        assert set(threading.enumerate()) > threads
    assert set(threading.enumerate()) == threads


def test_an_error_in_the_thread_arrives_after_what_came_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    with newest(items()) as arriving:
        assert next(arriving) == 1
        with pytest.raises(KeyError, match="broken"):
            next(arriving)
