"""metrics.csv while a run writes it, and after it was killed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.trainer.states import TrainerFn

from icnet.errors import ICNetError
from icnet.training.metrics_file import MetricsFile, read_rows, write_rows
from icnet.visualize.history import read_history

MODULE: Any = None


class Run:
    """A trainer that logs what it is told to."""

    def __init__(self, path: Path, every: int = 1) -> None:
        loop = SimpleNamespace(_should_accumulate=lambda: False)
        state = SimpleNamespace(fn=TrainerFn.FITTING)
        self.trainer: Any = SimpleNamespace(
            fit_loop=loop, state=state, log_every_n_steps=every, sanity_checking=False, is_global_zero=True, current_epoch=0
        )  # fmt: skip
        self.file = MetricsFile(path)

    def resume(self, step: int) -> None:
        self.file.on_load_checkpoint(self.trainer, MODULE, {"global_step": step})

    def step(self, step: int, **values: float) -> None:
        self._log(step, "train", values)
        self.file.on_train_batch_end(self.trainer, MODULE, None, None, 0)

    def validate(self, step: int, **values: float) -> None:
        self._log(step, "val", values)
        self.file.on_validation_end(self.trainer, MODULE)

    def _log(self, step: int, part: str, values: dict[str, float]) -> None:
        self.trainer.global_step = step
        self.trainer.callback_metrics = {f"{part}/{name}": value for name, value in values.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def test_a_row_is_appended_and_the_file_is_written_anew_only_where_a_column_appears(path: Path) -> None:
    run = Run(path)
    run.step(1, loss=3.0)
    first = path.stat().st_ino
    run.step(2, loss=2.0)
    assert path.stat().st_ino == first
    run.validate(2, miou=0.25)
    second = path.stat().st_ino
    assert second != first
    run.step(3, loss=1.5)
    run.step(4, loss=1.0)
    run.validate(4, miou=0.5)
    assert path.stat().st_ino == second
    assert path.read_text() == "step,epoch,train/loss,val/miou\n1,0,3,\n2,0,2,0.25\n3,0,1.5,\n4,0,1,0.5\n"


def test_steps_between_those_that_are_logged_have_no_row(path: Path) -> None:
    run = Run(path, every=2)
    for step in range(1, 5):
        run.step(step, loss=1.0)
    assert list(read_rows(path)) == [2, 4]


def test_with_0_nothing_is_logged_but_validations(path: Path) -> None:
    run = Run(path, every=0)
    run.step(1, loss=1.0)
    run.validate(1, miou=0.5)
    assert read_rows(path) == {1: {"epoch": 0.0, "val/miou": 0.5}}


@pytest.mark.parametrize("torn", ["", "5,0,1.2", "5,0,1.25,0.75"])
def test_a_resumed_run_drops_later_rows_and_one_that_was_cut_off(path: Path, torn: str) -> None:
    write_rows(path, {step: {"epoch": 0.0, "train/loss": 1.0, "val/miou": 0.5} for step in (1, 2, 3, 4)})
    with path.open("a") as file:
        file.write(torn)
    run = Run(path)
    run.resume(2)
    run.step(3, loss=9.0)
    assert path.read_text() == "step,epoch,train/loss,val/miou\n1,0,1,0.5\n2,0,1,0.5\n3,0,9,\n"


def test_a_validation_that_is_made_up_for_goes_into_the_row_of_its_step(path: Path) -> None:
    run = Run(path)
    run.step(1, loss=1.0)
    run.validate(1, miou=0.25)
    run.step(2, loss=0.5)
    again = Run(path)
    again.resume(2)
    again.validate(2, miou=0.75)
    assert read_rows(path)[2] == {"epoch": 0.0, "train/loss": 0.5, "val/miou": 0.75}


def test_a_run_that_starts_anew_leaves_no_row_of_an_earlier_attempt(path: Path) -> None:
    write_rows(path, {7: {"train/loss": 1.0}})
    run = Run(path)
    run.step(1, loss=2.0)
    assert list(read_rows(path)) == [1]


def test_a_last_line_that_was_cut_off_is_no_row(path: Path) -> None:
    path.write_text("step,epoch,train/loss\n1,0,3.5\n2,0,2.2")  # of 2.25
    assert read_rows(path) == {1: {"epoch": 0.0, "train/loss": 3.5}}
    assert read_history(path).series("train/loss") == ([1], [3.5])


def test_a_file_that_cannot_be_appended_to_is_named(path: Path) -> None:
    run = Run(path)
    run.step(1, loss=1.0)
    path.unlink()
    path.mkdir()
    with pytest.raises(ICNetError, match=r"metrics\.csv cannot be written"):
        run.step(2, loss=1.0)
