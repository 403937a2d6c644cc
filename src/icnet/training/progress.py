"""How far training is: when a step is complete, when a validation follows it, and where a resumed run goes on."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from icnet.data.dataset import Place
from icnet.errors import ConfigError

NEVER = sys.maxsize  # batches between validations, where Lightning is told after each step whether one follows


def step_is_complete(trainer: pl.Trainer) -> bool:
    """Whether the optimizer has stepped after the batch that just ended, and gathers no gradients for later."""
    return not trainer.fit_loop._should_accumulate()  # private: _should_accumulate (pytorch_lightning 2.6)


def is_logged(trainer: pl.Trainer) -> bool:
    """Whether the values of the batch that just ended are logged; with trainer.log_every_n_steps=0 none ever are."""
    every = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return bool(every) and step_is_complete(trainer) and trainer.global_step % every == 0


def validation_is_next(trainer: pl.Trainer) -> bool:
    """Whether a validation follows the batch that just ended."""
    return trainer.val_check_batch == 1


class Progress(Callback):
    """Decides after each step whether a validation follows, and tells Lightning where a resumed run goes on.

    Lightning counts batches. Here steps of the optimizer count, and samples of an epoch, which any number of processes
    understands. Stands before the callbacks that save.

    every_steps: steps between validations; None: one follows each `every_epochs` epochs, which may be None otherwise. One
        follows the last step of a run anyway.
    """

    def __init__(self, every_steps: int | None, every_epochs: int | None) -> None:
        if every_steps is not None and (not isinstance(every_steps, int) or every_steps < 1):
            raise ConfigError(
                f"trainer.val_check_interval is {every_steps}: give a whole number of steps, or null for after each epoch"
            )
        needless = every_epochs is None and every_steps is not None
        if not needless and (not isinstance(every_epochs, int) or every_epochs < 1):
            raise ConfigError(
                f"trainer.check_val_every_n_epoch is {every_epochs}: give a whole number of epochs, 1 or more; null takes "
                "trainer.val_check_interval=STEPS"
            )
        self.every_steps, self.every_epochs = every_steps, every_epochs or 1
        self._due = False  # the validation of the step that was completed last
        self._one_step_more = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        ends_epoch = trainer.is_last_batch and self._follows_epoch(trainer, trainer.current_epoch + 1)
        self._due = step_is_complete(trainer) and (ends_epoch or self._follows_step(trainer))
        trainer.val_check_batch = 1 if self._due else NEVER

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._due = False

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["validation_due"] = self._due

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Lightning takes its counters from `checkpoint` afterwards.

        Where processes were added, less may be left of the epoch than a batch of all: what follows an epoch follows then.
        """
        if trainer.state.fn != TrainerFn.FITTING:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        sampler = data.build_sampler()
        (epoch, samples), batches = sampler.start, sampler.begun
        is_over, is_whole = batches == sampler.steps, samples == sampler.length
        due = checkpoint.get("validation_due", False)
        self._due = due or (is_over and not is_whole and self._follows_epoch(trainer, epoch + 1))
        if is_over and not self._due:
            epoch, batches = data.start = Place(epoch + 1, 0)
        set_counters(checkpoint, epoch, batches, sampler.steps, self._due)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning ends a run at once that has done all its steps, also where the last validation is still due."""
        self._one_step_more = self._due and trainer.max_steps >= 0
        trainer.fit_loop.epoch_loop.max_steps += self._one_step_more

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where epochs limit the run, its schedule spans them in steps of the present number of processes."""
        trainer.val_check_batch = 1 if self._due else NEVER
        if trainer.max_steps < 0:
            loop, whole, in_step = trainer.fit_loop, trainer.num_training_batches, trainer.accumulate_grad_batches
            batches = min(loop.epoch_loop.batch_progress.current.completed, whole)
            epochs = loop.epoch_progress.current.completed
            for config in trainer.lr_scheduler_configs:
                config.scheduler.last_epoch = epochs * math.ceil(whole / in_step) + math.ceil(batches / in_step)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.fit_loop.epoch_loop.max_steps -= self._one_step_more
        self._one_step_more = False

    def _follows_step(self, trainer: pl.Trainer) -> bool:
        regular = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        return trainer.enable_validation and (
            regular or trainer.should_stop or trainer.global_step == trainer.max_steps
        )

    def _follows_epoch(self, trainer: pl.Trainer, number: int) -> bool:
        """number: of epochs that are over."""
        regular = self.every_steps is None and number % self.every_epochs == 0
        return trainer.enable_validation and (regular or number == trainer.max_epochs)


def set_counters(checkpoint: dict[str, Any], epoch: int, batches: int, of_epoch: int, validation_due: bool) -> None:
    """Write a place into what Lightning's loops load: so many batches of an epoch are done, and their validation or not.

    private: the states of FitLoop, _TrainingEpochLoop and _EvaluationLoop (pytorch_lightning 2.6).
    """

    def counts(done: int, begun: int = 0) -> dict[str, int]:
        return {"ready": done + begun, "started": done + begun, "processed": done, "completed": done}

    loops = checkpoint["loops"]["fit_loop"]
    epochs, validation = counts(epoch, begun=batches > 0), counts(0, begun=validation_due)
    loops |= {
        "epoch_progress": {"total": epochs, "current": epochs},
        "epoch_loop.batch_progress": {
            "total": counts(epoch * of_epoch + batches),
            "current": counts(batches),
            "is_last_batch": batches == of_epoch,
        },
        "epoch_loop.val_loop.batch_progress": {"total": validation, "current": counts(0), "is_last_batch": False},
        "epoch_loop.state_dict": {"_batches_that_stepped": checkpoint["global_step"] - validation_due},
    }
