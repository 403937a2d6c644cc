"""Lightning callbacks: the progress bar, and the guard against a loss that is not finite."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar, WeightAveraging
from torch import Tensor

from icnet.errors import ConfigError, ICNetError


class ProgressBar(RichProgressBar):
    """Rich bar with the loss and the last mIoU; without Lightning's version number."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        return {name.rsplit("/")[-1]: value for name, value in items.items() if name != "v_num"}

    def _get_train_description(self, current_epoch: int) -> str:
        """Lightning would show "Epoch 3/-2" where steps alone limit the run."""
        last = self.trainer.max_epochs
        return f"Epoch {current_epoch}" + (f"/{last - 1}" if last is not None and last > 0 else "")


class MovingAverage(WeightAveraging):
    """Lightning's weight averaging with an exponential decay that starts small: young averages forget the first weights.

    The n-th average keeps min(decay, (1 + n) / (10 + n)) of the one before (as in TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"callbacks.ema.decay is {decay}: give at least 0 and less than 1, 0.999 for long runs")
        super().__init__(multi_avg_fn=partial(_average, decay), use_buffers=True)


def _average(decay: float, averages: Any, currents: Any, count: Tensor | int) -> None:
    """Update tensors of one kind and device in place; whole numbers (counters of BN) are copied."""
    kept = min(decay, (1 + int(count)) / (10 + int(count)))
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, currents, 1 - kept)
    else:
        torch._foreach_copy_(averages, currents)


class ValidateAtTheEnd(Callback):
    """Validate after the very last step, wherever in an epoch it falls, so that the final weights get their score."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.check_val_every_n_epoch is not None and trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True
            if trainer.check_val_every_n_epoch is not None:
                trainer.check_val_every_n_epoch = 1


class StopOnNonFiniteLoss(Callback):
    """End the run when the loss becomes NaN or infinite: what would follow is lost time.

    every: on a GPU the loss is looked at every so many steps, because every look waits for the device.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss: Tensor = outputs["loss"]
        if loss.device.type != "cpu" and trainer.global_step % self.every:
            return
        if not torch.isfinite(loss):
            lr = trainer.optimizers[0].param_groups[0]["lr"]
            raise ICNetError(
                f"the loss is {float(loss)} at step {trainer.global_step} (lr {lr:.2g}): lower optimizer.lr, add "
                "scheduler.warmup_steps or trainer.gradient_clip_val=1.0, or use trainer.precision=32-true"
            )
