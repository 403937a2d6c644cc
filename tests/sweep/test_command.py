"""A job's command line, its environment and its share of the machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.sweep.made import made, sweep_config

from icnet.sweep.command import build_command, build_environment
from icnet.sweep.share import Shares, list_gpus


def test_a_job_is_a_plain_run_in_its_own_folder_with_its_own_overrides(tmp_path: Path) -> None:
    job = made(3, "loss.sub4=0.08", folder="/x/3")
    command = build_command(job, "start", sweep_config(tmp_path))
    assert command[0] == sys.executable
    assert command[-3:] == ["loss.sub4=0.08", "hydra.run.dir=/x/3", "sweep.name=s/d"]
    assert not {"-m", "--multirun"} & set(command[2:])


def test_settings_of_hydra_go_to_the_job_except_those_of_the_sweep(tmp_path: Path) -> None:
    config = sweep_config(tmp_path, "hydra.verbose=true", "hydra.sweep.subdir=x", "hydra/launcher=processes")
    command = build_command(made(0, folder="/x"), "start", config)
    assert "hydra.verbose=true" in command
    assert not [part for part in command if part.startswith(("hydra.sweep", "hydra/launcher"))]


def test_an_interrupted_job_goes_on_with_nothing_but_its_folder(tmp_path: Path) -> None:
    command = build_command(made(3, "loss.sub4=0.08", folder="/x/3"), "resume", sweep_config(tmp_path))
    assert command[-1] == "task.resume=/x/3"
    assert "loss.sub4=0.08" not in command


def test_a_job_inherits_no_rank_of_another_run() -> None:
    ranks = {
        "LOCAL_RANK": "1",
        "NODE_RANK": "0",
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "x",
        "MASTER_PORT": "1",
    }
    environment = build_environment({**ranks, "HOME": "/h"}, threads=None, gpus=None)
    assert not ranks.keys() & environment.keys()
    assert environment["HOME"] == "/h"


def test_jobs_side_by_side_share_the_threads_unless_the_user_set_them() -> None:
    assert Shares(1, 8, ()).take(0, 1, "cpu").threads is None
    assert Shares(2, 8, ()).take(0, 1, "cpu").threads == 4
    assert Shares(2, 8, ()).take(0, 2, "cpu").threads == 2  # for each of its two processes
    assert Shares(4, 2, ()).take(0, 1, "auto").threads == 1
    assert build_environment({}, threads=4, gpus=None)["OMP_NUM_THREADS"] == "4"
    assert build_environment({"OMP_NUM_THREADS": "3"}, threads=4, gpus=None)["OMP_NUM_THREADS"] == "3"


def test_jobs_side_by_side_get_the_gpus_that_are_least_used() -> None:
    shares = Shares(3, 8, ["0", "1", "2"])
    assert [shares.take(n, 1, "auto").gpus for n in range(3)] == [("0",), ("1",), ("2",)]
    shares.give_back(1)
    assert shares.take(3, 1, "gpu").gpus == ("1",)
    assert shares.take(4, -1, "gpu").gpus is None  # sees all, as it asked
    assert shares.take(5, 1, "cpu").gpus is None
    assert Shares(2, 8, ["4", "7"]).take(0, 2, "auto").gpus == ("4", "7")


def test_only_visible_gpus_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert list_gpus() == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert list_gpus() == []
