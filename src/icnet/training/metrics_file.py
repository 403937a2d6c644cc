"""metrics.csv: one row per logged step, whatever was logged at it; always written, and in step with the checkpoints."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from icnet.files import writing

log = logging.getLogger("icnet.progress")  # into run.log, and onto the screen where no progress bar is


class MetricsFile(Callback):
    """Writes the training values every `log_every_n_steps` and the validation values after each validation.

    A row's step is the number of optimizer steps done. It is written before a checkpoint of the step is, so that a run that
    is resumed from the checkpoint has it already; rows of later steps are dropped then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.rows = {step: row for step, row in read_rows(self.path).items() if step <= checkpoint["global_step"]}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if trainer.global_step % every == 0 and not trainer.fit_loop._should_accumulate():
            self._add(trainer, prefix="val/", wanted=False)
            log.info("%s", describe(trainer.global_step, self.rows.get(trainer.global_step, {}), "train/"))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._add(trainer, prefix="val/", wanted=True)
            log.info("%s", describe(trainer.global_step, self.rows.get(trainer.global_step, {}), "val/"))

    def _add(self, trainer: pl.Trainer, prefix: str, wanted: bool) -> None:
        """Put the values whose names start with `prefix` (or do not) into the row of this step."""
        if not trainer.is_global_zero:
            return
        row = self.rows.setdefault(trainer.global_step, {"epoch": trainer.current_epoch})
        metrics = trainer.callback_metrics
        row.update({name: float(value) for name, value in metrics.items() if name.startswith(prefix) == wanted})
        write_rows(self.path, self.rows)


def describe(step: int, row: dict[str, float], prefix: str) -> str:
    """A line for people: the values of a row whose names start with `prefix`, scores of single classes left out."""
    names = [name for name in row if name.startswith(prefix) and name.count("/") == 1]
    return f"step {step}: " + ", ".join(f"{name} {row[name]:.4g}" for name in names)


def write_rows(path: Path, rows: dict[int, dict[str, float]]) -> None:
    """Write the whole file, whole or not at all."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row if name != "epoch"))
    with writing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", "epoch", *names], restval="")
        writer.writeheader()
        for step, row in sorted(rows.items()):
            writer.writerow({"step": step, **{name: f"{value:.9g}" for name, value in row.items()}})


def read_rows(path: Path) -> dict[int, dict[str, float]]:
    """The inverse of `write_rows`; no rows where there is no file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row.pop("step")): {k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)}
