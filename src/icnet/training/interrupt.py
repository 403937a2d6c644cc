"""Signals while Lightning works: training saves its step first, and Lightning itself keeps its hands off them."""

from __future__ import annotations

from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from icnet.signals import interrupted, pass_on, take_over
from icnet.training.checkpoint import Checkpoints
from icnet.training.progress import step_is_complete


class SaveOnSignal(Callback):
    """While it fits, a first signal has the step in work finished and saved to last.ckpt before it raises `Interrupted`.

    A validation is cut off, since its step is saved before it; several processes finish it together. Stands after
    `Checkpoints`.

    folder: of the run, which `task.resume` takes.
    """

    def __init__(self, checkpoints: Checkpoints, folder: Path) -> None:
        self.checkpoints, self.folder = checkpoints, folder
        self.received: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        take_over(self._receive)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if step_is_complete(trainer) and self._is_told(trainer):
            if self.checkpoints.saved_step != trainer.global_step:
                self.checkpoints.save_last(trainer)
            self._stop(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        if self.received is not None and trainer.world_size == 1:
            self._stop(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._is_told(trainer):
            self._stop(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        take_over(None)
        self.on_validation_end(trainer, pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        take_over(None)

    def _receive(self, number: int) -> None:
        self.received = number

    def _is_told(self, trainer: pl.Trainer) -> bool:
        """Whichever process got the signal, all stop at the same step."""
        told = self.received is not None
        return told if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(told, all=False)

    def _stop(self, trainer: pl.Trainer) -> None:
        saved = (
            f" after step {trainer.global_step}, which is saved; go on with: python run.py task.resume={self.folder}"
        )
        raise interrupted(self.received or SIGTERM, saved)


def keep_signals(trainer: pl.Trainer) -> None:
    """Leave signals to icnet.signals while this trainer works, and hand them on to the processes that it starts.

    Lightning's own handler would have a run that SIGTERM ends end with status 0, and wait for other processes meanwhile.
    """
    connector = trainer._signal_connector  # private: _signal_connector (pytorch_lightning 2.6)
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    if trainer.strategy.launcher is not None:
        pass_on(trainer.strategy.launcher.kill)
