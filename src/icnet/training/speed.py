"""Images per second of a training run, and how long its steps take."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from icnet.training.progress import is_logged, validation_is_next


class ImagesPerSecond(Callback):
    """Logs train/images_per_second: of all processes together, over the steps since it was last logged.

    Loading counts; validations, and what is saved and shown around them, do not. Stands before the callback that writes
    metrics.csv, after the one that decides about validations.
    """

    def __init__(self) -> None:
        self._images, self._begin = 0, 0.0
        self._paused: float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restart(time.monotonic())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._images += len(batch.image) * trainer.world_size
        if is_logged(trainer):
            if pl_module.device.type == "cuda":  # its queue would otherwise count as done
                torch.cuda.synchronize(pl_module.device)
            now = time.monotonic()
            pl_module.log("train/images_per_second", self._images / (now - self._begin))
            self._restart(now)
        if validation_is_next(trainer):
            self._paused = time.monotonic()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._paused is not None:
            self._begin += time.monotonic() - self._paused
            self._paused = None

    def _restart(self, now: float) -> None:
        self._images, self._begin = 0, now


class StepClock(Callback):
    """Notes the seconds of each training step, and how many of them it waited for its batch.

    A step begins where the one before it ended, the device synchronised: what the device does meanwhile is no waiting.
    """

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.waits: list[float] = []
        self._ended = self._began = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._ended = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        now = time.perf_counter()
        self.steps.append(now - self._ended)
        self.waits.append(self._began - self._ended)
        self._ended = now
