"""Signals: finish the step, save it, end with the signal's own status."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from icnet.errors import Interrupted
from icnet.training.checkpoint import Checkpoints, validation_is_next

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


class SaveOnSignal(Callback):
    """On Ctrl-C, SIGTERM or SIGUSR1 (SLURM, before a job's time ends) save last.ckpt and raise `Interrupted`.

    The step in work is finished first; so is a validation, after which the step is saved anyway. A second Ctrl-C stops at
    once, as usual.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self.received: int | None = None
        self._earlier: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for number in _SIGNALS:
            self._earlier[number] = signal.signal(number, self._receive)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        while self._earlier:
            signal.signal(*self._earlier.popitem())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stop = self.received is not None
        if trainer.world_size > 1:  # whichever process got the signal, all stop at the same step
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop and not validation_is_next(trainer) and not trainer.fit_loop._should_accumulate():
            self.checkpoints.save_last(trainer)
            self._stop(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Checkpoints stands before this callback and has saved the step."""
        if self.received is not None and trainer.world_size == 1:
            self._stop(trainer)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _stop(self, trainer: pl.Trainer) -> None:
        number = signal.Signals(self.received or signal.SIGTERM)
        folder = self.checkpoints.last.parents[1]
        raise Interrupted(
            f"stopped by {number.name} after step {trainer.global_step}, which is saved; "
            f"go on with: python run.py task.resume={folder}",
            status=130 if number == signal.SIGINT else 143,
        )
