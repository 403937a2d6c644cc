"""Between a sweep and one of its jobs: a job dies with its sweep, and so does every process that the job started.

Run as a file, with Python's -I, so it uses the standard library alone: supervise.py COMMAND... Its standard input is a
pipe that only the sweep holds. Each byte that comes through it is a signal for the job; its end, which a sweep that is
killed in any way brings about, kills the whole process group of the job.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

_KILLED = 128 + signal.SIGKILL


def main(command: list[str]) -> int:
    """Run the command in a session of its own; its exit status, 128 + N after signal N."""
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: job.send_signal(received))
    threading.Thread(target=follow_sweep, args=(job,), daemon=True).start()
    code = job.wait()
    kill_group(job)
    return code if code >= 0 else 128 - code


def follow_sweep(job: subprocess.Popen[bytes]) -> None:
    """Hand on the signals that the sweep writes into the pipe; once it is gone, kill the job and end."""
    while received := os.read(0, 1):
        job.send_signal(received[0])
    kill_group(job)
    os._exit(_KILLED)


def kill_group(job: subprocess.Popen[bytes]) -> None:
    """What is left of the job: its ranks and loader workers."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing left; macOS says the latter of zombies
        os.killpg(job.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
