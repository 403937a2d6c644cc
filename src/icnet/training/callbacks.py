"""Lightning callbacks: the progress bar, the moving average, the guard against a loss that is not finite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar, WeightAveraging
from torch import Tensor

from icnet.errors import ConfigError, ICNetError, Interrupted

_NO_STEP = sys.maxsize


class ProgressBar(RichProgressBar):
    """Rich bar with the loss and the last mIoU; without Lightning's version number."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        items = super().get_metrics(trainer, pl_module)
        return {name.rsplit("/")[-1]: value for name, value in items.items() if name != "v_num"}

    # private: _get_train_description (pytorch_lightning 2.6)
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
    # private: _foreach_lerp_, _foreach_copy_ (torch 2.13): as Lightning hands the averages over
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, currents, 1 - kept)
    else:
        torch._foreach_copy_(averages, currents)


class StopOnNonFinite(Callback):
    """End the run when the loss becomes NaN or infinite, or what a checkpoint would hold: then none is written.

    every: on a GPU the losses are looked at every so many batches, because every look waits for the device; and before each
        checkpoint, so before each validation.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self._losses: list[tuple[int, Tensor]] = []  # by step, not looked at

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._losses.append((trainer.global_step, outputs["loss"]))
        if pl_module.device.type == "cpu" or len(self._losses) >= self.every:
            self._look(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """All processes come here, before the first of them writes."""
        self._look(trainer)
        finite = all(bool(tensor.isfinite().all()) for tensor in _tensors(checkpoint))
        if not trainer.strategy.reduce_boolean_decision(finite):
            _stop(trainer, f"weights or the optimizer's state are not finite after step {trainer.global_step}")

    def _look(self, trainer: pl.Trainer) -> None:
        looked, self._losses = self._losses, []
        if looked:
            finite = torch.stack([loss for _, loss in looked]).isfinite()
            faults = [step for (step, _), fine in zip(looked, finite.tolist(), strict=True) if not fine]
            first = torch.tensor(min(faults, default=_NO_STEP), device=finite.device)
            first = trainer.strategy.reduce(first, reduce_op="min")
            if first < _NO_STEP:
                _stop(trainer, f"the loss is not finite at step {int(first)}")


def _tensors(node: Any) -> Iterator[Tensor]:
    """All tensors in nested dictionaries and lists."""
    if isinstance(node, Tensor):
        yield node
    elif isinstance(node, dict | list | tuple):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _tensors(part)


def _stop(trainer: pl.Trainer, what: str) -> NoReturn:
    """All processes come here together; the first one says it."""
    lr = trainer.optimizers[0].param_groups[0]["lr"]
    error = ICNetError(
        f"{what} (lr {lr:.2g}), so no checkpoint is written any more: lower optimizer.lr, add scheduler.warmup_steps or "
        "trainer.gradient_clip_val=1.0, or use trainer.precision=32-true"
    )
    raise error if trainer.is_global_zero else Interrupted(str(error), status=1)
