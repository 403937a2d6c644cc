"""One job in processes of its own: how it is started, stopped, and what its end means."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from icnet.sweep.ledger import Job, State, read_metrics

LOGS = "logs"  # folder of the sweep: what the jobs print, as NUMBER.out and NUMBER.err
_SUPERVISOR = Path(__file__).with_name("supervise.py")
_INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


class JobProcess:
    """A running job under its supervisor, which ends it when this process ends."""

    def __init__(self, job: Job, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.job = job
        self._began = time.monotonic()
        logs = Path(job.folder).parent / LOGS
        logs.mkdir(parents=True, exist_ok=True)
        self._errors = logs / f"{job.number}.err"
        with (logs / f"{job.number}.out").open("wb") as out, self._errors.open("wb") as err:
            self._process = self._start(command, environment, out, err)

    @property
    def seconds(self) -> float:
        """Of this attempt and those before it."""
        return round(self.job.seconds + time.monotonic() - self._began, 1)

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the job's first process, as a user would."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has just ended
            self._process.stdin.write(bytes([number]))

    def kill(self) -> None:
        """Kill all of its processes, and wait until they are gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def last_line(self) -> str:
        """What the job said last on stderr."""
        return last_line(self._errors.read_text(encoding="utf-8", errors="replace"))

    @staticmethod
    def _start(
        command: Sequence[str], environment: Mapping[str, str], out: IO[bytes], err: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", str(_SUPERVISOR), *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            env=environment,
            start_new_session=True,  # Ctrl-C at the terminal reaches the sweep alone, which passes it on
            bufsize=0,
        )


def outcome(job: Job, code: int, said: str, *, stopping: bool) -> tuple[State, str | None]:
    """The state of a job that ended with exit status `code`, and why it failed.

    said: its last line on stderr. stopping: whether the sweep itself had told it to stop.
    """
    if code == 0 and read_metrics(Path(job.folder)) is not None:
        return "done", None
    if stopping or code in _INTERRUPTED:
        return "interrupted", None
    if code - 128 in signal.valid_signals():
        return "failed", f"ended by {_signal_name(code - 128)}" + (f" after: {said}" if said else "")
    return "failed", said or f"ended with status {code} and without results.json"


def last_line(text: str) -> str:
    """The last line that says something; of a line that was drawn over itself, what stayed."""
    lines = [line.rsplit("\r", 1)[-1].strip() for line in text.replace("\r\n", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "")


def _signal_name(number: int) -> str:
    name = signal.Signals(number).name
    return f"{name} (out of memory?)" if name == "SIGKILL" else name
