"""What the further processes of a run are told before Hydra starts."""

from __future__ import annotations

import pytest

from icnet.processes import follower_arguments, is_follower


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NODE_RANK", "GROUP_RANK", "SLURM_NODEID", "LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["LOCAL_RANK", "SLURM_LOCALID", "GROUP_RANK", "SLURM_NODEID", "NODE_RANK"])
def test_every_launcher_s_second_process_is_a_follower(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0")
    assert not is_follower()
    monkeypatch.setenv(name, "1")
    assert is_follower()


def test_the_first_process_is_told_nothing() -> None:
    assert follower_arguments(["trainer.devices=2"]) == []


def test_a_follower_makes_no_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert "hydra.run.dir=." in follower_arguments(["trainer.devices=2"])
    assert "hydra.run.dir=." not in follower_arguments(["hydra.run.dir=runs/1"])
