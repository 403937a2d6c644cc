"""Checkpoints: when they are written, and how a file is written whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, BinaryIO

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from icnet.files import writing
from icnet.training.progress import step_is_complete, validation_is_next


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write to a temporary file beside the target, then rename: a killed process or a full disk leaves the earlier one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        target = Path(path)
        with writing(target) as part:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                _save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())


def _save(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    """torch.save, which hides what the system says of a full disk behind a RuntimeError of its own."""
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        said = error.__context__
        raise OSError(*said.args if isinstance(said, OSError) else [str(error)]) from error


class Checkpoints(Callback):
    """last.ckpt before and after each validation and in between when asked, best.ckpt by the highest `monitor`.

    Before it, so that a validation that fails costs no training; who resumes from there begins with it.

    folder: where the two files lie.
    monitor: name of the logged score.
    every_steps, every_minutes: save last.ckpt that often, too.
    """

    def __init__(
        self, folder: Path, monitor: str, every_steps: int | None = None, every_minutes: float | None = None
    ) -> None:
        self.last, self.best = folder / "last.ckpt", folder / "best.ckpt"
        self.monitor = monitor
        self.every_steps, self.every_minutes = every_steps, every_minutes
        self.best_score = float("-inf")
        self.saved_step = -1
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score = state_dict["best_score"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if step_is_complete(trainer) and (validation_is_next(trainer) or self._is_time(trainer)):
            self.save_last(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        score = float(trainer.callback_metrics[self.monitor])
        improved = score > self.best_score
        self.best_score = max(score, self.best_score)
        if improved:  # best.ckpt first: a run killed in between goes on from the earlier last.ckpt and comes here again
            trainer.save_checkpoint(self.best)
        self.save_last(trainer)
        trainer.strategy.barrier("best.ckpt")  # the others may read it now

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where a callback ended it between two validations."""
        if self.saved_step != trainer.global_step:
            self.save_last(trainer)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt; all processes call this together."""
        trainer.save_checkpoint(self.last)
        self.saved_step, self._saved_at = trainer.global_step, time.monotonic()

    def _is_time(self, trainer: pl.Trainer) -> bool:
        by_steps = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        if by_steps or self.every_minutes is None:
            return by_steps
        late = time.monotonic() - self._saved_at >= 60 * self.every_minutes
        return bool(trainer.strategy.broadcast(late))
