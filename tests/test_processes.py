"""Runs of several processes, on one host and on two."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from icnet.streets.write import write_streets
from tests.kill_and_resume import ROOT, SETTINGS

pytestmark = pytest.mark.slow
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_two_and_three_processes_count_each_of_five_images_once(tmp_path: Path) -> None:
    root = write_streets(tmp_path / "streets", train=1, val=5, size=(64, 128), seed=3)
    matrices = []
    for processes in (1, 2, 3):
        out = tmp_path / f"{processes}.pt"
        command = [sys.executable, str(ROOT / "tests" / "score_on_processes.py"), str(root), str(processes), str(out)]
        subprocess.run(command, check=True, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, timeout=200)
        matrices.append(torch.load(out, weights_only=True))
    assert int(matrices[0].sum()) == 5 * 64 * 128
    assert (matrices[0].sum(0) > 0).sum() > 1
    assert torch.equal(matrices[1], matrices[0])
    assert torch.equal(matrices[2], matrices[0])


def test_only_the_first_of_two_processes_writes(tmp_path: Path, streets: Path) -> None:
    folder = tmp_path / "run"
    settings = (*SETTINGS, f"data.root={streets}", "trainer.max_steps=2", "data.num_workers=0", "data.batch_size=1",
                "trainer.val_check_interval=2", "trainer.devices=2", "strategy=ddp", f"hydra.run.dir={folder}")  # fmt: skip
    subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *settings], check=True, env=ENVIRONMENT, cwd=tmp_path, timeout=200
    )
    assert {p.name for p in tmp_path.iterdir()} == {"run"}
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [
            ".hydra",
            "checkpoints",
            "confusion.csv",
            "examples",
            "figures",
            "metrics.csv",
            "report.html",
            "results.json",
            "run.log",
        ]
    )
    assert (folder / "run.log").read_text().count("training and 3 validation frames") == 1
    assert json.loads((folder / "results.json").read_text())["protocol"]["train_samples"] == 4


SHORT = ("trainer.max_steps=2", "data.num_workers=0", "data.batch_size=1", "trainer.val_check_interval=2",
         "strategy=ddp")  # fmt: skip


def the_one_run(place: Path) -> Path:
    """The folder of the only run below a working directory."""
    assert {p.name for p in place.iterdir()} == {"outputs"}
    (folder,) = (place / "outputs" / "train" / "streets").iterdir()
    return folder


def test_torchrun_starts_one_run_in_one_folder_that_nobody_named(tmp_path: Path, streets: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29519",
               str(ROOT / "run.py"), *SETTINGS, f"data.root={streets}", *SHORT, "trainer.devices=2"]  # fmt: skip
    subprocess.run(command, check=True, env=ENVIRONMENT, cwd=tmp_path, timeout=240)
    assert json.loads((the_one_run(tmp_path) / "results.json").read_text())["protocol"]["train_samples"] == 4


@pytest.mark.parametrize(("devices", "nodes"), [(2, 1), (1, 2)])
def test_slurm_s_environment_makes_its_tasks_one_run(tmp_path: Path, streets: Path, devices: int, nodes: int) -> None:
    """What srun sets for each task, on one host or on two (both here); no SLURM is needed for that."""
    command = [sys.executable, str(ROOT / "run.py"), *SETTINGS, f"data.root={streets}", *SHORT,
               f"trainer.devices={devices}", f"trainer.num_nodes={nodes}"]  # fmt: skip
    tasks = []
    for task in range(2):
        slurm = {"NTASKS": 2, "NTASKS_PER_NODE": devices, "NNODES": nodes, "PROCID": task, "LOCALID": task % devices,
                 "NODEID": task // devices, "JOB_ID": 14800 + nodes, "JOB_NAME": "t", "NODELIST": "127.0.0.1"}  # fmt: skip
        environment = {**ENVIRONMENT, **{f"SLURM_{key}": str(value) for key, value in slurm.items()}}
        tasks.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True))
    said = [task.communicate(timeout=240)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], "\n".join(said)
    assert json.loads((the_one_run(tmp_path) / "results.json").read_text())["protocol"]["train_samples"] == 4


@pytest.fixture
def two_hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by a cable, 10.77.0.1 and 10.77.0.2."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs root and iproute2 to make network namespaces")
    names = (f"icnet{os.getpid()}a", f"icnet{os.getpid()}b")
    ends = (f"ic{os.getpid()}a", f"ic{os.getpid()}b")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
            ip("link", "set", end, "netns", name)
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
    except subprocess.CalledProcessError as error:
        remove(names)
        pytest.skip(f"this machine allows no network namespaces: {error.stderr.strip()}")
    yield names
    remove(names)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def remove(names: tuple[str, str]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_two_hosts_train_one_run(tmp_path: Path, streets: Path, two_hosts: tuple[str, str]) -> None:
    folder = tmp_path / "run"
    settings = (*SETTINGS, f"data.root={streets}", "trainer.max_steps=2", "data.num_workers=0", "data.batch_size=1",
                "trainer.val_check_interval=2", "trainer.devices=1", "trainer.num_nodes=2", "strategy=ddp",
                f"hydra.run.dir={folder}")  # fmt: skip
    hosts = []
    for rank, name in enumerate(two_hosts):
        interface = subprocess.run(
            ["ip", "-n", name, "-o", "-4", "addr", "show", "scope", "global"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[1]
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", "--nnodes=2",
                   "--nproc_per_node=1", f"--node_rank={rank}", "--master_addr=10.77.0.1", "--master_port=29517",
                   str(ROOT / "run.py"), *settings]  # fmt: skip
        environment = {**ENVIRONMENT, "GLOO_SOCKET_IFNAME": interface}
        hosts.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True))
    said = [host.communicate(timeout=240)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], "\n".join(said)
    results = json.loads((folder / "results.json").read_text())
    assert results["protocol"]["train_samples"] == 4
    assert not (folder / "train_ddp_process_1.log").exists()
