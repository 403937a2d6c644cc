"""A run that was cut off anywhere and resumed ends as the one that was never stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tests.conftest import TINY, Run, compose_run
from tests.kill_and_resume import repeatable_rows

from icnet.cli import run_task
from icnet.errors import ConfigError
from icnet.tasks.setup.resume import resumed_config
from icnet.training.checkpoint import Checkpoints
from icnet.training.metrics_file import read_rows, write_rows

STEPS = 8  # of 3 in an epoch, validated every 2
SETTINGS = (
    f"trainer.max_steps={STEPS}", "trainer.val_check_interval=2", "task.save_every_steps=1", "callbacks=ema",
    "callbacks.ema.decay=0.5",
)  # fmt: skip


BY_EPOCHS = (
    "trainer.max_epochs=3", "trainer.max_steps=-1", "trainer.val_check_interval=null", "task.save_every_steps=1",
    "callbacks=ema", "callbacks.ema.decay=0.5",
)  # fmt: skip
ACCUMULATED = "trainer.accumulate_grad_batches=2"  # steps after 2 and after 1 of the 3 batches of an epoch


class _Killed(Exception):
    pass


@contextmanager
def killed_after(writes: int) -> Iterator[None]:
    """Make the process "die" right after the N-th write of last.ckpt."""
    original, count = Checkpoints.save_last, 0

    def save_then_die(self: Checkpoints, trainer: Any) -> None:
        nonlocal count
        original(self, trainer)
        count += 1
        if count == writes:
            raise _Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save_last", save_then_die)
        with pytest.raises(_Killed):
            yield


def state_of(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return state


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)


def assert_same_end(whole: Path, cut: Path) -> None:
    for part in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers"):
        assert same(state_of(whole)[part], state_of(cut)[part]), part
    assert repeatable_rows(cut) == repeatable_rows(whole)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_after_a_save_ends_in_the_same_weights_and_scores(run_icnet: Run, workers: int) -> None:
    settings = (*SETTINGS, f"data.num_workers={workers}")
    whole = run_icnet(*settings, folder="whole")
    with killed_after(6):
        run_icnet(*settings, folder="cut")
    cut = run_icnet(*settings, f"task.resume={whole.parent / 'cut'}", folder="cut")
    assert_same_end(whole, cut)
    scores = [json.loads((f / "results.json").read_text())["metrics"]["miou"] for f in (whole, cut)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("settings", "writes", "last"),
    [  # a step is written once, and once more after its validation
        pytest.param(SETTINGS, [1, 2, 3, 11], 12, marks=pytest.mark.slow),
        ((*SETTINGS, ACCUMULATED), [1, 4, 5], 12),
        pytest.param(BY_EPOCHS, [1, 3, 4, 7, 11], 12, marks=pytest.mark.slow),
        pytest.param((*BY_EPOCHS, ACCUMULATED), [1, 2, 3, 8], 9, marks=pytest.mark.slow),
    ],
    ids=["steps", "accumulated steps", "epochs", "accumulated epochs"],
)
def test_a_training_killed_after_any_save_ends_in_the_same_weights(
    run_icnet: Run, tmp_path: Path, settings: tuple[str, ...], writes: list[int], last: int
) -> None:
    """Mid-epoch, before a validation and after it, at the end of an epoch and of the run; none of them is scored."""
    with killed_after(last):
        run_icnet(*settings, folder="whole")
    for write in writes:
        with killed_after(write):
            run_icnet(*settings, folder=f"cut{write}")
        with killed_after(last - write):
            run_icnet(*settings, f"task.resume={tmp_path / f'cut{write}'}", folder=f"cut{write}")
        assert_same_end(tmp_path / "whole", tmp_path / f"cut{write}")


def test_rows_of_the_metrics_file_survive_a_round_trip(tmp_path: Path) -> None:
    rows = {2: {"epoch": 0.0, "train/loss": 0.123456789}, 4: {"epoch": 1.0, "val/miou": 0.5}}
    write_rows(tmp_path / "metrics.csv", rows)
    assert read_rows(tmp_path / "metrics.csv") == rows


@pytest.fixture
def earlier_run(tmp_path: Path) -> Path:
    folder = tmp_path / "earlier"
    config = compose_run(["data=camvid", "optimizer.lr=0.123"], folder)
    (folder / ".hydra").mkdir()
    OmegaConf.save(config, folder / ".hydra" / "config.yaml")
    OmegaConf.save(OmegaConf.create(["data=camvid", "optimizer.lr=0.123"]), folder / ".hydra" / "overrides.yaml")
    hydra = {"hydra": {"runtime": {"choices": {"task": "train", "data": "camvid", "loss": "cascade_equal"}}}}
    OmegaConf.save(OmegaConf.create(hydra), folder / ".hydra" / "hydra.yaml")
    return folder


def resume(folder: Path, *overrides: str) -> Any:
    given = [f"task.resume={folder}", *overrides]
    return resumed_config(compose_run(given, folder), given)


def test_the_runs_own_configuration_counts(earlier_run: Path) -> None:
    config = resume(earlier_run)
    assert (config.optimizer.lr, config.data.name, config.task.resume) == (0.123, "camvid", str(earlier_run))


def test_what_may_be_given_anew_is_taken(earlier_run: Path) -> None:
    config = resume(earlier_run, "trainer.max_steps=77", "data.num_workers=3", "logger=wandb")
    assert (config.trainer.max_steps, config.data.num_workers, list(config.logger)) == (77, 3, ["wandb"])


def test_a_value_that_the_run_was_told_before_another_one_is_given_anew(earlier_run: Path) -> None:
    told = ["trainer.max_steps=2", "trainer.max_steps=1"]
    OmegaConf.save(OmegaConf.create(told), earlier_run / ".hydra" / "overrides.yaml")
    (earlier_run / "results.json").touch()
    assert resume(earlier_run, "data.num_workers=1") is None
    assert resume(earlier_run, "trainer.max_steps=2").trainer.max_steps == 2


def test_what_would_make_it_another_run_is_refused_by_name(earlier_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr, seed would make"):
        resume(earlier_run, "optimizer.lr=0.5", "seed=3")


def test_repeating_the_runs_own_settings_is_fine(earlier_run: Path) -> None:
    assert resume(earlier_run, "data=camvid", "optimizer.lr=0.123").optimizer.lr == 0.123


def test_what_the_run_has_without_having_said_so_may_be_said(earlier_run: Path) -> None:
    config = resume(earlier_run, "task=train", "loss=cascade_equal", "seed=0", "optimizer.lr=0.123")
    assert (config.optimizer.lr, config.data.name) == (0.123, "camvid")
    with pytest.raises(ConfigError, match="loss would make"):
        resume(earlier_run, "task=train", "loss=cascade")


def test_a_finished_run_has_nothing_to_resume_unless_it_shall_be_longer(earlier_run: Path) -> None:
    (earlier_run / "results.json").write_text("{}")
    assert resume(earlier_run) is None
    assert resume(earlier_run, "trainer.max_steps=99").trainer.max_steps == 99


def change(folder: Path, key: str, value: object = None, *, delete: bool = False) -> Path:
    """Edit the saved configuration by hand."""
    path = folder / ".hydra" / "config.yaml"
    saved = OmegaConf.load(path)
    if delete:
        node, _, name = key.rpartition(".")
        OmegaConf.select(saved, node).pop(name) if node else saved.pop(key)
    else:
        OmegaConf.update(saved, key, value, force_add=True)
    OmegaConf.save(saved, path)
    return path


def test_a_misspelt_setting_in_the_saved_configuration_is_named_with_its_file(earlier_run: Path) -> None:
    path = change(earlier_run, "optimizer.weight_decai", 0.1)
    with pytest.raises(ConfigError) as caught:
        resume(earlier_run)
    assert str(caught.value) == f"{path}: optimizer.weight_decai is not a setting: did you mean weight_decay?"


def test_a_value_of_another_kind_in_the_saved_configuration_is_named_with_its_file(earlier_run: Path) -> None:
    path = change(earlier_run, "task.save_every_steps", "many")
    change(earlier_run, "data.batch_size", "many")
    with pytest.raises(ConfigError, match=rf"{path}: data\.batch_size is 'many': expected int"):
        resume(earlier_run)


def test_a_saved_configuration_that_is_no_yaml_is_named_with_the_line(earlier_run: Path) -> None:
    path = earlier_run / ".hydra" / "config.yaml"
    path.write_text("seed: 0\n name: x\n")
    with pytest.raises(ConfigError, match=rf"{path}: {path}, line 2: mapping values are not allowed"):
        resume(earlier_run)
    path.write_text("seed: 0\n")
    with pytest.raises(ConfigError, match=f"{path}: task has no choice"):
        resume(earlier_run)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task.save_every_minutes", None),
        ("model.compile", False),
        ("trainer.precision", "auto"),
        ("seed", 0),
        ("source", None),
        ("sweep", {"jobs": 1, "name": None}),
    ],
)
def test_a_setting_that_an_older_icnet_did_not_write_has_todays_default(
    earlier_run: Path, key: str, value: object
) -> None:
    change(earlier_run, key, delete=True)
    config = resume(earlier_run)
    assert OmegaConf.select(config, key, default="not there") == value
    assert (config.optimizer.lr, config.data.name) == (0.123, "camvid")


@pytest.mark.slow
def test_a_run_of_an_older_icnet_goes_on_to_its_end(run_icnet: Run, streets: Path) -> None:
    folder = run_icnet("trainer.max_steps=1")
    (folder / ".hydra").mkdir()
    settings = [*TINY, "data.prepare=null", f"data.root={streets}", "trainer.max_steps=1"]
    OmegaConf.save(compose_run(settings, folder), folder / ".hydra" / "config.yaml")
    for key in ("task.save_every_minutes", "trainer.check_val_every_n_epoch", "callbacks"):
        change(folder, key, delete=True)
    config = resume(folder, "trainer.max_steps=2")
    assert config is not None
    run_task(config)
    assert max(read_rows(folder / "metrics.csv")) == 2


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        resume(tmp_path)
