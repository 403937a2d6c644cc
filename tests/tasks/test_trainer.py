"""The Trainer that every training task uses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from tests.conftest import compose_run

from icnet.data.workers import Board
from icnet.errors import ConfigError, ICNetError
from icnet.tasks.setup.device import choose_precision
from icnet.tasks.setup.trainer import build_callbacks, build_evaluator, build_trainer, fit

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


def trainer_of(folder: Path, *overrides: str) -> pl.Trainer:
    return build_trainer(compose_run(["trainer.accelerator=cpu", *overrides], folder), folder, "val/miou")


def names_of(callbacks: list[pl.Callback]) -> list[str]:
    return [type(callback).__name__ for callback in callbacks]


def test_what_the_user_tells_the_trainer_is_obeyed(tmp_path: Path) -> None:
    plain = trainer_of(tmp_path)
    assert plain._accelerator_connector._layer_sync is None
    assert type(plain.progress_bar_callback).__name__ == "ProgressBar"
    assert "RichModelSummary" not in names_of(plain.callbacks)

    told = trainer_of(
        tmp_path,
        "+trainer.sync_batchnorm=true",
        "+trainer.enable_progress_bar=false",
        "+trainer.enable_model_summary=true",
    )
    assert told._accelerator_connector._layer_sync is not None
    assert told.progress_bar_callback is None
    assert "RichModelSummary" in names_of(told.callbacks)


def test_an_evaluation_may_go_without_a_bar_too(tmp_path: Path) -> None:
    config = compose_run(["task=evaluate", "trainer.accelerator=cpu", "+trainer.enable_progress_bar=false"], tmp_path)
    assert build_evaluator(config, tmp_path).progress_bar_callback is None


def test_without_callbacks_our_own_ones_alone_remain(tmp_path: Path) -> None:
    own = ["StopOnNonFinite", "Progress", "ImagesPerSecond", "MetricsFile", "Checkpoints", "Examples", "SaveOnSignal"]
    config = compose_run(["callbacks=[]"], tmp_path)
    assert names_of(build_callbacks(config, tmp_path, "val/miou")) == own
    config = compose_run(["callbacks.progress=null"], tmp_path)
    assert names_of(build_callbacks(config, tmp_path, "val/miou")) == own


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.devices=0", r"trainer: `Trainer\(devices=0\)` value is not a valid input"),
        ("+trainer.profiler=nope", "trainer: .*profiler"),
        ("trainer.val_check_interval=0", r"trainer\.val_check_interval is 0: give a whole number of steps"),
        ("trainer.max_steps=-1", "the run has no end"),
        ("trainer.max_steps=0", r"trainer\.max_steps is 0: give a number above 0"),
        ("trainer.max_epochs=0", r"trainer\.max_epochs is 0: give a number above 0"),
        ("trainer.accumulate_grad_batches=0", r"trainer\.accumulate_grad_batches is 0: give a number above 0"),
        ("trainer.limit_train_batches=0", r"trainer\.limit_train_batches is 0: give a number above 0"),
        ("trainer.limit_val_batches=0", r"trainer\.limit_val_batches is 0: give a number above 0"),
        ("trainer.log_every_n_steps=-3", r"trainer\.log_every_n_steps is -3: give a number of at least 0"),
        ("trainer.gradient_clip_val=-1", r"trainer\.gradient_clip_val is -1: give a number of at least 0"),
        ("task.save_every_steps=0", r"task\.save_every_steps is 0: give a number above 0"),
        ("task.save_every_minutes=-1", r"task\.save_every_minutes is -1: give a number above 0"),
        ("task.save_every_minutes=foo", r"task\.save_every_minutes is foo: give a number above 0"),
    ],
)
def test_what_the_trainer_cannot_be_is_named(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trainer_of(tmp_path, override)


def test_where_time_is_up_is_known_before_it_is_decided_whether_a_validation_follows(tmp_path: Path) -> None:
    names = names_of(trainer_of(tmp_path, "+trainer.max_time='00:00:05:00'").callbacks)
    assert names.index("Timer") < names.index("Progress")
