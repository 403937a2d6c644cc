"""What the loaders take from the machine, and which frames are trained on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from tests.conftest import compose_run
from torch.utils.data import SequentialSampler, TensorDataset

from icnet.errors import ConfigError
from icnet.tasks.setup.build import build
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.loaders import build_loader


def streets_with(folder: Path, streets: Path, *overrides: str) -> SegmentationDataModule:
    data: SegmentationDataModule = build(compose_run([f"data.root={streets}", *overrides], folder).data)
    data.setup()
    return data


def loader_on(nodes: int, gpus: int, num_workers: int | None = None) -> Any:
    """The loader of one of all processes."""
    trainer = cast("Any", SimpleNamespace(global_rank=0, world_size=nodes * gpus, num_nodes=nodes))
    data = TensorDataset(torch.zeros(4))
    return build_loader(data, SequentialSampler(data), 2, num_workers, trainer)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 cores and GPUs."""
    monkeypatch.setattr("icnet.training.loaders.count_cores", lambda: 64)
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


@pytest.mark.parametrize("given", [[], ["data.val_fraction=0.34"]])
def test_a_share_of_the_training_frames_leaves_validation_as_it_is(
    tmp_path: Path, streets: Path, given: list[str]
) -> None:
    whole, half = (streets_with(tmp_path, streets, *given, *share) for share in ([], ["data.train_share=0.5"]))
    frames = whole.train_set.samples
    assert half.train_set.samples == frames[::2]
    assert half.val_set.samples == whole.val_set.samples
    assert half.find_samples()[0] == frames  # what there is, for those who calibrate or list


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_a_share_that_is_none_is_refused(tmp_path: Path, streets: Path, share: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.train_share is .*: give a share above 0, up to 1"):
        streets_with(tmp_path, streets, f"data.train_share={share}")
