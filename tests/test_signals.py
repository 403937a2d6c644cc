"""What a signal does to this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from icnet import signals
from icnet.errors import Interrupted
from icnet.signals import interruptible, pass_on, take_over


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that the module sees, in seconds."""
    now = [0.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    return now


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGHUP, 143)],
)
def test_a_signal_raises_what_no_library_swallows_and_leaves_the_handlers_as_they_were(
    number: signal.Signals, status: int, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # the tests may run under nohup, which has SIGHUP ignored
    request.addfinalizer(lambda: signal.signal(number, before))
    earlier = signal.getsignal(number)
    said = f"stopped by {number.name}"
    with pytest.raises(Interrupted, match=said) as stopped, interruptible(), suppress(Exception):
        send(number)
    assert stopped.value.status == status
    assert signal.getsignal(number) is earlier


def test_a_signal_to_the_process_and_its_group_is_one_and_a_later_one_acts_as_usual(clock: list[float]) -> None:
    ended = []
    with interruptible():
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
        clock[0] = 0.9
        send(signal.SIGTERM)
        clock[0] = 1.1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(signals.signal, "raise_signal", ended.append)
            send(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert ended == [signal.SIGTERM]


def test_training_hears_of_the_first_signal_and_the_second_stops_it(clock: list[float]) -> None:
    heard: list[int] = []
    with interruptible():
        take_over(heard.append)
        send(signal.SIGUSR1)
        clock[0] = 2.0
        with pytest.raises(Interrupted, match="SIGTERM"):
            send(signal.SIGTERM)
    assert heard == [signal.SIGUSR1]


def test_what_training_gives_back_stops_again() -> None:
    with interruptible():
        take_over(lambda number: pytest.fail("called"))
        take_over(None)
        with pytest.raises(Interrupted):
            send(signal.SIGINT)


def test_a_signal_is_passed_on_to_the_processes_of_the_run_before_it_stops_this_one() -> None:
    passed: list[int] = []
    with interruptible():
        pass_on(passed.append)
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
    assert passed == [signal.SIGTERM]


def test_what_nohup_has_ignored_stays_ignored() -> None:
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, earlier)


class Dropping:
    """An object whose end a signal falls into."""

    def __del__(self) -> None:
        send(signal.SIGTERM)


def drop() -> None:
    Dropping()
    time.sleep(5)


def test_a_signal_that_python_drops_while_it_clears_memory_comes_again() -> None:
    with pytest.raises(Interrupted), interruptible():
        drop()


@pytest.mark.slow
def test_a_process_that_waits_in_a_library_for_ever_ends_all_the_same(tmp_path: Path) -> None:
    """As one that waits for others to join it, which the same signal has ended."""
    port = ["MASTER_ADDR=127.0.0.1", "MASTER_PORT=29541"]
    program = (
        "import torch, sys; from icnet.signals import interruptible\n"
        "with interruptible():\n"
        "    print('waits', flush=True)\n"
        "    torch.distributed.init_process_group('gloo', rank=0, world_size=2)"
    )
    told = os.environ | dict(variable.split("=") for variable in port)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (143, "icnet: stopped by SIGTERM\n")


@pytest.mark.slow
def test_a_process_that_has_heard_the_signal_has_all_the_time_it_needs_also_where_it_came_twice() -> None:
    """As one that uploads its results, under `timeout`, which signals the process and its group."""
    program = (
        "import time; from icnet.errors import Interrupted; from icnet.signals import interruptible\n"
        "with interruptible():\n"
        "    try:\n"
        "        print('waits', flush=True); time.sleep(60)\n"
        "    except Interrupted:\n"
        "        time.sleep(14); print('done', flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=40)
    assert (process.returncode, said) == (0, "done\n")
