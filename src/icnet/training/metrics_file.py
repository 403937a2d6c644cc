"""metrics.csv: one row per logged step, whatever was logged at it; always written, and in step with the checkpoints."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from icnet.files import read_whole_lines, unwritable, writing
from icnet.training.progress import is_logged

log = logging.getLogger("icnet.progress")  # into run.log, and onto the screen where no progress bar is


class MetricsFile(Callback):
    """Writes the training values every `log_every_n_steps` and the validation values after each validation.

    A row's step is the number of optimizer steps done. It is written before a checkpoint of the step is, so that a run that
    is resumed from the checkpoint has it already; rows of later steps are dropped then. Rows are appended: the file is
    written anew only where a run is resumed or a column appears.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] = []  # of the file; none before this process has written it
        self._step, self._row, self._place = -1, dict[str, float](), 0  # its last row, and the byte where that begins

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING and trainer.is_global_zero:
            rows = {step: row for step, row in read_rows(self.path).items() if step <= checkpoint["global_step"]}
            if rows:
                self._rewrite(rows)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if is_logged(trainer):
            self._add(trainer, prefix="val/", wanted=False)
            log.info("%s", describe(self._step, self._row, "train/"))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._add(trainer, prefix="val/", wanted=True)
            log.info("%s", describe(self._step, self._row, "val/"))

    def _add(self, trainer: pl.Trainer, prefix: str, wanted: bool) -> None:
        """Put the values whose names start with `prefix` (or do not) into the row of this step."""
        if not trainer.is_global_zero:
            return
        step, metrics = trainer.global_step, trainer.callback_metrics
        row = self._row if step == self._step else {"epoch": float(trainer.current_epoch)}
        row |= {name: float(value) for name, value in metrics.items() if name.startswith(prefix) == wanted}
        if row.keys() <= set(self._columns):
            self._append(step, row)
        else:
            self._rewrite((read_rows(self.path) if self._columns else {}) | {step: row})

    def _append(self, step: int, row: dict[str, float]) -> None:
        """Behind the other rows, or over the last one where that is of the same step and becomes longer."""
        try:
            with self.path.open("r+b") as file:
                self._place = file.seek(self._place) if step == self._step else file.seek(0, io.SEEK_END)
                file.write(_line(self._columns, step, row))
                file.truncate()
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._step, self._row = step, row

    def _rewrite(self, rows: Mapping[int, dict[str, float]]) -> None:
        write_rows(self.path, rows)
        self._columns, self._step = columns_of(rows), max(rows)
        self._row = rows[self._step]
        self._place = self.path.stat().st_size - len(_line(self._columns, self._step, self._row))


def describe(step: int, row: dict[str, float], prefix: str) -> str:
    """A line for people: the values of a row whose names start with `prefix`, scores of single classes left out."""
    names = [name for name in row if name.startswith(prefix) and name.count("/") == 1]
    return f"step {step}: " + ", ".join(f"{name} {row[name]:.4g}" for name in names)


def columns_of(rows: Mapping[int, Mapping[str, float]]) -> list[str]:
    """The columns that the file has for these rows, after that of the step."""
    return list(dict.fromkeys(["epoch", *(name for row in rows.values() for name in row)]))


def write_rows(path: Path, rows: Mapping[int, Mapping[str, float]]) -> None:
    """Write the whole file, whole or not at all."""
    columns = columns_of(rows)
    with writing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerow(["step", *columns])
        file.writelines(_line(columns, step, row).decode() for step, row in sorted(rows.items()))


def read_rows(path: Path) -> dict[int, dict[str, float]]:
    """The inverse of `write_rows`, without a last row that was cut off; no rows where there is no file."""
    if not path.is_file():
        return {}
    lines = csv.DictReader(read_whole_lines(path))
    return {int(row.pop("step")): {name: float(value) for name, value in row.items() if value} for row in lines}


def _line(columns: Sequence[str], step: int, row: Mapping[str, float]) -> bytes:
    return ",".join([str(step), *(f"{row[name]:.9g}" if name in row else "" for name in columns)]).encode() + b"\n"
