"""The Trainer that every training task uses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from icnet.data.workers import Board
from icnet.errors import ConfigError, ICNetError
from icnet.tasks.setup.device import choose_precision
from icnet.tasks.setup.trainer import fit

CFG: Any = SimpleNamespace(task=SimpleNamespace(resume=None))
FRAMES = SimpleNamespace(board=Board([]))


def trainer(precision: str | int) -> DictConfig:
    return OmegaConf.create({"precision": precision, "accelerator": "cpu", "devices": 1})


class _Trainer:
    def __init__(self, error: RuntimeError) -> None:
        self.error = error

    def fit(self, module: Any, **kwargs: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
    ],
)
def test_out_of_memory_names_batch_and_crop(error: RuntimeError) -> None:
    data: Any = SimpleNamespace(batch_size=16, train_set=FRAMES, val_set=FRAMES)
    with pytest.raises(ICNetError, match=r"data\.batch_size=16 and data\.crop_size=\[960, 960\]"):
        fit(CFG, _Trainer(error), SimpleNamespace(), data, [960, 960])  # type: ignore[arg-type]


def test_other_errors_keep_their_own_text() -> None:
    data: Any = SimpleNamespace(batch_size=16, train_set=FRAMES, val_set=FRAMES)
    with pytest.raises(RuntimeError, match="something else"):
        fit(CFG, _Trainer(RuntimeError("something else")), SimpleNamespace(), data, [960, 960])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "precision"),
    [("32-true", "32-true"), (32, "32-true"), ("bf16", "bf16-mixed"), ("bf16-mixed", "bf16-mixed")],
)
def test_a_precision_that_is_named_is_taken_also_by_its_short_name(wanted: str | int, precision: str) -> None:
    assert choose_precision(trainer(wanted)) == precision


@pytest.mark.parametrize("wanted", ["bf17", "bf16-true", "64-true", "8"])
def test_a_precision_in_which_nothing_is_trained_here_is_named(wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"trainer.precision is {wanted}: choose one of auto, 32-true, bf16-mixed"):
        choose_precision(trainer(wanted))


@pytest.mark.parametrize(("computes_bf16", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_takes_bf16_only_where_the_cpu_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, computes_bf16: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: computes_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert choose_precision(trainer("auto")) == precision
