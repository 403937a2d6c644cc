"""The ledger of a sweep, and what is left to do when the sweep is run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.sweep.made import leave_checkpoint, leave_results, ledger_in, made

from icnet.errors import ConfigError, DataError, ICNetError
from icnet.sweep.launch import lock_folder
from icnet.sweep.ledger import FILE, Ledger, State, check_same, read_ledger
from icnet.sweep.plan import Step, check_folder, move_aside, next_step, plan_jobs


def test_a_ledger_reads_as_it_was_written(tmp_path: Path) -> None:
    jobs = (made(0, "a=1", miou=0.5, seconds=3.5), made(1, "a=2", state="failed", error="icnet: no"))
    ledger_in(tmp_path, *jobs)
    assert read_ledger(tmp_path).jobs == {0: jobs[0], 1: jobs[1]}
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_sweep_json_says_of_each_job_what_the_interface_promises(tmp_path: Path) -> None:
    ledger_in(tmp_path, made(0, "a=1", state="failed", error="icnet: no"))
    (job,) = json.loads((tmp_path / FILE).read_text())["jobs"]
    assert job == {
        "number": 0, "overrides": ["a=1"], "folder": "/nowhere/0", "state": "failed", "metrics": None, "seconds": 0.0,
        "error": "icnet: no",
    }  # fmt: skip


def test_every_change_is_in_the_file_at_once(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, made(0, "a=1"))
    ledger.change(0, state="running")
    assert read_ledger(tmp_path).jobs[0].state == "running"


def test_a_ledger_that_cannot_be_written_is_one_line_and_the_old_one_stays(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, made(0, "a=1"))
    (tmp_path / f"{FILE}.part").mkdir()
    with pytest.raises(ICNetError, match=r"sweep\.json cannot be written"):
        ledger.change(0, state="running")
    assert read_ledger(tmp_path).jobs[0].state == "pending"


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(DataError, match="is no ledger of a sweep"):
        read_ledger(tmp_path)


def test_the_jobs_of_another_launcher_are_read_from_their_folders(tmp_path: Path) -> None:
    leave_results(tmp_path / "0", 0.25)
    for number in ("0", "1"):
        (tmp_path / number / ".hydra").mkdir(parents=True)
        (tmp_path / number / ".hydra" / "overrides.yaml").write_text(f"- seed={number}\n- name='x y'\n")
    jobs = read_ledger(tmp_path).jobs
    assert [(job.state, job.miou, job.overrides[0]) for job in jobs.values()] == [
        ("done", 0.25, "seed=0"), ("running", None, "seed=1"),
    ]  # fmt: skip


# The same sweep again


def test_the_same_jobs_and_more_of_them_at_the_end_are_accepted(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, made(0, "a=1", "sweep.jobs=1"), made(1, "a=2", "sweep.jobs=1"))
    check_same(ledger, [["a=1"], ["a=2"]])
    check_same(ledger, [["sweep.jobs=2", "a=1"], ["sweep.jobs=2", "a=2"], ["a=3"]])


def test_other_overrides_are_refused_naming_both(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, made(0, "a=1", "b=1"), made(1, "a=2", "b=1"))
    with pytest.raises(
        ConfigError, match=r"job 1 differs: .*sweep\.json has a=2, this sweep a=5: give the command"
    ) as caught:
        check_same(ledger, [["a=1", "b=1"], ["a=5", "b=1"]])
    assert "\n" not in str(caught.value)


def test_fewer_jobs_than_before_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 2 jobs, this sweep 1"):
        check_same(ledger_in(tmp_path, made(0, "a=1"), made(1, "a=2")), [["a=1"]])


def test_a_folder_that_holds_something_else_is_refused_and_an_empty_one_is_fine(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    (tmp_path / "multirun.yaml").write_text("")  # what a sweep that was killed in its first second leaves
    check_folder(tmp_path)
    leave_results(tmp_path / "0")
    with pytest.raises(ConfigError, match=r"has no sweep\.json, but 0"):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    ("state", "results", "checkpoint", "expected"),
    [
        ("pending", False, False, ("pending", "start")),
        ("running", False, False, ("interrupted", "start")),
        ("running", False, True, ("interrupted", "resume")),
        ("running", True, True, ("done", "none")),
        ("interrupted", False, True, ("interrupted", "resume")),
        ("interrupted", True, True, ("done", "none")),
        ("failed", False, True, ("failed", "start")),
    ],
)
def test_what_is_left_to_do_follows_from_state_and_files(
    tmp_path: Path, state: State, results: bool, checkpoint: bool, expected: tuple[State, Step]
) -> None:
    ledger = ledger_in(tmp_path, made(0, "a=1", state=state))
    if results:
        leave_results(tmp_path / "0")
    if checkpoint:
        leave_checkpoint(tmp_path / "0")
    (job,) = plan_jobs(ledger, [(0, ["a=1"])])
    assert (job.state, next_step(job)) == expected


def test_a_compression_goes_on_in_the_round_that_it_was_in(tmp_path: Path) -> None:
    leave_checkpoint(tmp_path / "0" / "rounds" / "0.75")
    (job,) = plan_jobs(ledger_in(tmp_path, made(0, "a=1", state="running")), [(0, ["a=1"])])
    assert next_step(job) == "resume"


def test_a_job_that_is_done_is_left_alone_even_without_its_folder(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, made(0, "a=1", miou=0.5))
    (job,) = plan_jobs(ledger, [(0, ["a=1"])])
    assert (job.miou, next_step(job)) == (0.5, "none")


def test_new_jobs_are_pending_in_numbered_folders(tmp_path: Path) -> None:
    jobs = plan_jobs(Ledger(tmp_path), [(0, ["a=1"]), (1, ["a=2"])])
    assert [(job.state, Path(job.folder)) for job in jobs] == [("pending", tmp_path / "0"), ("pending", tmp_path / "1")]


def test_what_a_failed_attempt_left_is_moved_aside_and_never_lost(tmp_path: Path) -> None:
    for attempt in (1, 2):
        (tmp_path / "3").mkdir()
        (tmp_path / "3" / "run.log").write_text(f"attempt {attempt}")
        move_aside(made(3, folder=str(tmp_path / "3")))
        assert not (tmp_path / "3").exists()
        assert (tmp_path / "failed" / f"3_{attempt}" / "run.log").read_text() == f"attempt {attempt}"


def test_a_second_sweep_in_the_folder_is_kept_out_until_the_first_one_ends(tmp_path: Path) -> None:
    first = lock_folder(tmp_path)
    with pytest.raises(ICNetError, match="another sweep runs in"):
        lock_folder(tmp_path)
    first.release()
    lock_folder(tmp_path).release()
