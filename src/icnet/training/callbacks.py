"""Lightning callbacks: the progress bar, and the guard against a loss that is not finite."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from torch import Tensor

from icnet.errors import ICNetError


class ProgressBar(RichProgressBar):
    """Rich bar with the loss and the last mIoU; without Lightning's version number."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        return {name.rsplit("/")[-1]: value for name, value in items.items() if name != "v_num"}


class StopOnNonFiniteLoss(Callback):
    """End the run when the loss becomes NaN or infinite: what would follow is lost time.

    On a GPU the loss is looked at only when it is logged anyway, because every look waits for the device.
    """

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss: Tensor = outputs["loss"]
        if loss.device.type != "cpu" and trainer.global_step % trainer.log_every_n_steps:
            return
        if not torch.isfinite(loss):
            lr = trainer.optimizers[0].param_groups[0]["lr"]
            raise ICNetError(
                f"the loss is {float(loss)} at step {trainer.global_step} (lr {lr:.2g}): lower optimizer.lr, add "
                "scheduler.warmup_steps or trainer.gradient_clip_val=1.0, or use trainer.precision=32-true"
            )
