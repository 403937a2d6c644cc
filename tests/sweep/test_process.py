"""Processes of jobs, with little programs in the place of training."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.sweep.made import leave_results, ledger_in, made

from icnet.errors import Interrupted
from icnet.signals import interruptible
from icnet.sweep.crew import Crew
from icnet.sweep.ledger import Job, Ledger, State, read_ledger
from icnet.sweep.plan import Step
from icnet.sweep.process import JobProcess, last_line, outcome


def test_a_job_with_results_is_done(tmp_path: Path) -> None:
    leave_results(tmp_path)
    assert outcome(made(0, folder=str(tmp_path)), 0, "a warning", stopping=False) == ("done", None)
    assert outcome(made(0, folder=str(tmp_path)), 0, "", stopping=True) == ("done", None)


@pytest.mark.parametrize(
    ("code", "said", "stopping", "expected"),
    [
        (1, "icnet: no such folder", False, ("failed", "icnet: no such folder")),
        (1, "", False, ("failed", "ended with status 1 and without results.json")),
        (0, "", False, ("failed", "ended with status 0 and without results.json")),
        (137, "", False, ("failed", "ended by SIGKILL (out of memory?)")),
        (139, "a warning", False, ("failed", "ended by SIGSEGV after: a warning")),
        (143, "icnet: saved", False, ("interrupted", None)),
        (130, "", False, ("interrupted", None)),
        (137, "", True, ("interrupted", None)),
        (255, "bad", False, ("failed", "bad")),
    ],
)
def test_a_job_without_results_failed_or_was_interrupted(
    tmp_path: Path, code: int, said: str, stopping: bool, expected: tuple[State, str | None]
) -> None:
    assert outcome(made(0, folder=str(tmp_path)), code, said, stopping=stopping) == expected


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("Traceback\nValueError: no\n\n \n") == "ValueError: no"
    assert last_line("10 %\r50 %\rKeyError: 'a'\n") == "KeyError: 'a'"
    assert last_line("") == ""


# Processes, with little programs in the place of training


def start_job(job: Job, program: str) -> JobProcess:
    return JobProcess(job, [sys.executable, "-c", program, job.folder], dict(os.environ))


def run_crew(ledger: Ledger, programs: Sequence[str], slots: int = 1) -> None:
    def start(job: Job, step: Step) -> JobProcess:
        return start_job(job, programs[job.number])

    Crew(ledger, slots, start, lambda number: None).run(list(ledger.jobs.values()))


def finish(seconds: float = 0.0) -> str:
    """A program that leaves results.json in its folder."""
    return (
        f"import sys, time, pathlib; time.sleep({seconds}); f = pathlib.Path(sys.argv[1]); f.mkdir(exist_ok=True); "
        "(f / 'results.json').write_text('{\"metrics\": {\"miou\": 0.5}}')"
    )


def jobs_in(folder: Path, count: int) -> list[Job]:
    return [made(n, f"seed={n}", folder=str(folder / str(n))) for n in range(count)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_failing_job_does_not_stop_the_others_and_its_last_line_is_kept(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, *jobs_in(tmp_path, 3))
    run_crew(ledger, [finish(), "print(1); raise ValueError('nan')", finish()])
    assert [(job.state, job.error) for job in read_ledger(tmp_path).jobs.values()] == [
        ("done", None), ("failed", "ValueError: nan"), ("done", None),
    ]  # fmt: skip
    assert read_ledger(tmp_path).jobs[0].miou == 0.5


def test_the_same_sweep_again_runs_only_what_is_not_done(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, *jobs_in(tmp_path, 2))
    run_crew(ledger, [finish(), "import sys, os; os.mkdir(sys.argv[1]); sys.exit('no')"])
    run_crew(ledger, ["raise SystemExit('ran twice')", finish()])
    assert [job.state for job in ledger.jobs.values()] == ["done", "done"]
    assert (tmp_path / "failed" / "1_1").is_dir()


def test_two_jobs_run_side_by_side_and_a_third_waits(tmp_path: Path) -> None:
    meet = (
        "import sys, time, pathlib; f = pathlib.Path(sys.argv[1]); (f.parent / ('at' + f.name)).touch()\n"
        "while len(list(f.parent.glob('at*'))) < 2: time.sleep(0.01)\n"
    )
    ledger = ledger_in(tmp_path, *jobs_in(tmp_path, 3))
    alone = "import pathlib, sys; assert len(list(pathlib.Path(sys.argv[1]).parent.glob('*/results.json'))) >= 1\n"
    run_crew(ledger, [meet + finish(), meet + finish(), alone + finish()], slots=2)
    assert [job.state for job in ledger.jobs.values()] == ["done"] * 3


def test_no_process_of_a_job_outlives_its_sweep(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, os, time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}'); os.sync; time.sleep(60)"
    )
    process = start_job(made(0, folder=str(tmp_path / "pids")), program)
    wait_for(lambda: (tmp_path / "pids").is_file() and len((tmp_path / "pids").read_text().split()) == 2)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(map(is_alive, pids))
    process._process.stdin.close()  # type: ignore[union-attr]  # what the end of this process does
    wait_for(lambda: not any(map(is_alive, pids)), 3.0)
    process.kill()


def test_what_a_job_leaves_running_ends_with_it(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(str(child.pid))"
    )
    process = start_job(made(0, folder=str(tmp_path / "pid")), program)
    wait_for(lambda: process.poll() is not None)
    wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())), 3.0)


def test_a_signal_reaches_the_job_and_its_status_comes_back(tmp_path: Path) -> None:
    program = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n"
        "open(sys.argv[1], 'w'); time.sleep(60)"
    )
    process = start_job(made(0, folder=str(tmp_path / "ready")), program)
    wait_for((tmp_path / "ready").is_file)
    process.send(signal.SIGTERM)
    wait_for(lambda: process.poll() is not None)
    assert process.poll() == 42


def test_sigterm_of_the_sweep_reaches_its_jobs_and_is_its_own_status(tmp_path: Path) -> None:
    program = f"import os, signal, time; os.kill({os.getpid()}, signal.SIGTERM); time.sleep(60)"
    ledger = ledger_in(tmp_path, *jobs_in(tmp_path, 2))
    said = r"stopped by SIGTERM; .*1 interrupted, 1 pending; the same"
    with pytest.raises(Interrupted, match=said) as caught, interruptible():
        run_crew(ledger, [program, finish()])
    assert caught.value.status == 143
    assert [job.state for job in read_ledger(tmp_path).jobs.values()] == ["interrupted", "pending"]
