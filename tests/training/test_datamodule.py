"""What the loaders take from the machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.utils.data import SequentialSampler, TensorDataset

from icnet.training.datamodule import build_loader


def loader_on(nodes: int, gpus: int, num_workers: int | None = None) -> Any:
    """The loader of one of all processes."""
    trainer = cast("Any", SimpleNamespace(global_rank=0, world_size=nodes * gpus, num_nodes=nodes))
    data = TensorDataset(torch.zeros(4))
    return build_loader(data, SequentialSampler(data), 2, num_workers, trainer)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 cores and GPUs."""
    monkeypatch.setattr("icnet.training.datamodule.count_cores", lambda: 64)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("nodes", "gpus", "workers"), [(1, 1, 8), (1, 8, 7), (4, 8, 7), (1, 64, 1)])
def test_the_processes_of_a_node_share_its_cores(nodes: int, gpus: int, workers: int) -> None:
    """One core stays with the process that trains; more than eight workers help no GPU."""
    loader = loader_on(nodes, gpus)
    assert loader.num_workers == workers
    assert loader.pin_memory
    assert loader.persistent_workers
    assert loader.prefetch_factor > 1


@pytest.mark.usefixtures("machine")
def test_a_given_number_of_workers_is_taken() -> None:
    loader = loader_on(1, 1, num_workers=0)
    assert (loader.num_workers, loader.persistent_workers, loader.prefetch_factor) == (0, False, None)


def test_a_cpu_is_left_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loader = loader_on(1, 2)
    assert (loader.num_workers, loader.pin_memory) == (0, False)
