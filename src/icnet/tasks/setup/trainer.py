"""Lightning's Trainer as every training task uses it."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Timer
from torch import nn

from icnet.data.workers import naming_deaths
from icnet.errors import ConfigError, ICNetError
from icnet.processes import is_follower
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.device import choose_precision
from icnet.tasks.setup.loggers import build_loggers
from icnet.tracking.tracker import Examples
from icnet.training.callbacks import ProgressBar, StopOnNonFinite
from icnet.training.checkpoint import AtomicCheckpointIO, Checkpoints
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import is_out_of_memory
from icnet.training.interrupt import SaveOnSignal, keep_signals
from icnet.training.metrics_file import MetricsFile
from icnet.training.pretrain import ImageNetDataModule
from icnet.training.progress import NEVER, Progress
from icnet.training.speed import ImagesPerSecond

Data = SegmentationDataModule | ImageNetDataModule
# Where they are given; Lightning takes other values, and fails on them within the run or trains for nothing
_ABOVE_ZERO = (
    "trainer.max_steps", "trainer.max_epochs", "trainer.accumulate_grad_batches", "trainer.limit_train_batches",
    "trainer.limit_val_batches", "task.save_every_steps", "task.save_every_minutes",
)  # fmt: skip
_NOT_NEGATIVE = ("trainer.log_every_n_steps", "trainer.gradient_clip_val")
_ENDLESS = ("trainer.max_steps", "trainer.max_epochs")  # with -1


def build_trainer(cfg: DictConfig, folder: Path, monitor: str) -> pl.Trainer:
    """Lightning's Trainer with our checkpoints, callbacks and loggers; `monitor` decides which checkpoint is best."""
    steps, epochs = cfg.trainer.max_steps, cfg.trainer.max_epochs
    if steps == -1 and epochs in (None, -1):
        raise ConfigError("the run has no end: give trainer.max_steps or trainer.max_epochs")
    check_ranges(cfg)
    check_recipe(cfg)
    callbacks = build_callbacks(cfg, folder, monitor)
    return _build_trainer(
        cfg,
        callbacks=callbacks,
        logger=build_loggers(cfg, folder),
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(folder),
        **_of_steps(cfg),
        val_check_interval=NEVER,  # Progress decides
        check_val_every_n_epoch=None,
        enable_progress_bar=any(isinstance(callback, pl.callbacks.ProgressBar) for callback in callbacks),
        enable_model_summary=cfg.trainer.get("enable_model_summary", False),
    )


def build_callbacks(cfg: DictConfig, folder: Path, monitor: str) -> list[pl.Callback]:
    """Those of the configuration, then our own, in this order: a row is written before its checkpoint is."""
    chosen = [build(node) for node in (cfg.get("callbacks") or {}).values() if node]
    shown = cfg.trainer.get("enable_progress_bar", True)
    chosen = [callback for callback in chosen if shown or not isinstance(callback, pl.callbacks.ProgressBar)]
    progress = Progress(cfg.trainer.val_check_interval, cfg.trainer.check_val_every_n_epoch)
    checkpoints = Checkpoints(folder / "checkpoints", monitor, cfg.task.save_every_steps, cfg.task.save_every_minutes)
    own = [StopOnNonFinite(), progress, ImagesPerSecond(), MetricsFile(folder / "metrics.csv"), checkpoints, Examples()]
    return [*chosen, *own, SaveOnSignal(checkpoints, run_folder())]


def build_stepper(cfg: DictConfig, folder: Path, steps: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Lightning's Trainer for so many training steps and nothing else."""
    check_recipe(cfg)
    return _build_trainer(
        cfg,
        callbacks=callbacks,
        logger=False,
        default_root_dir=str(folder),
        **_of_steps(cfg),
        max_steps=steps,
        max_epochs=-1,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
    )


def _of_steps(cfg: DictConfig) -> dict[str, Any]:
    """What changes a training step."""
    synchronised = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()  # on one device it stays plain
    return {
        "sync_batchnorm": cfg.trainer.get("sync_batchnorm", synchronised),
        "precision": choose_precision(cfg.trainer),
    }


def build_evaluator(cfg: DictConfig, folder: Path) -> pl.Trainer:
    """Lightning's Trainer for one pass over frames; engines bring their own precision."""
    return _build_trainer(
        cfg,
        callbacks=[ProgressBar()] if cfg.trainer.get("enable_progress_bar", True) else [],
        logger=build_loggers(cfg, folder),
        default_root_dir=str(folder),
        precision="32-true",
    )


def _build_trainer(cfg: DictConfig, **settings: Any) -> pl.Trainer:
    try:
        trainer: pl.Trainer = build(
            cfg.trainer,
            **{"enable_model_summary": False, "use_distributed_sampler": False, "enable_checkpointing": False}
            | settings,
        )
    except MisconfigurationException as error:  # devices that are not there, and what Lightning refuses to combine
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error
    keep_signals(trainer)
    trainer.callbacks.sort(key=lambda c: not isinstance(c, Timer))  # type: ignore[attr-defined]  # a validation follows its end
    return trainer


def check_ranges(cfg: DictConfig) -> None:
    """Name a number that no run can be made with, before any data are read."""
    for key in (*_ABOVE_ZERO, *_NOT_NEGATIVE):
        value = OmegaConf.select(cfg, key)
        if value is None or (key in _ENDLESS and value == -1):
            continue
        if not isinstance(value, int | float) or not (value > 0 or (value == 0 and key in _NOT_NEGATIVE)):
            limit = "of at least" if key in _NOT_NEGATIVE else "above"
            raise ConfigError(f"{key} is {value}: give a number {limit} 0")


def check_recipe(cfg: DictConfig) -> None:
    """Build on a small layer what is built later, when the data are known: a wrong value is named before any are read."""
    optimizer = build(cfg.optimizer)(nn.Linear(1, 1), frozenset())
    build(cfg.scheduler)(optimizer, sys.maxsize)


def fit(cfg: DictConfig, trainer: pl.Trainer, module: pl.LightningModule, data: Data, crop_size: Sequence[int]) -> None:
    """trainer.fit, from last.ckpt where the run is resumed; out of memory names what to make smaller."""
    last = Path(str(cfg.task.resume or "")) / "checkpoints" / "last.ckpt"
    resumed = str(last) if cfg.task.resume and last.is_file() else None
    try:
        naming_deaths(
            lambda: trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True),
            lambda: (data.train_set.board, data.val_set.board),
        )
    except MisconfigurationException as error:  # shares of the data that are no batch
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ICNetError(
            f"out of memory with data.batch_size={data.batch_size} and data.crop_size={list(crop_size)}: lower one of "
            "them (trainer.accumulate_grad_batches=2 keeps the effective batch), or use trainer.precision=bf16-mixed"
        ) from error


def start(seed: int) -> None:
    """Seed everything (0 or more); keep Lightning's advertisements and notes that no user can act on off the screen."""
    if seed < 0:
        raise ConfigError(f"seed is {seed}: give 0 or more")
    pl.seed_everything(seed, workers=True, verbose=False)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    if is_follower():
        logging.disable(logging.INFO)
    if sys.stdout.isatty():  # the progress bar shows it
        for handler in logging.getLogger().handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda record: record.name != "icnet.progress")
    for text in (
        ".*does not have many workers.*",
        ".*Checkpoint directory.*",
        ".*isinstance.treespec.*",
        ".*LeafSpec.*",
        ".*self.log.*sync_dist=True.*",
        ".*strides do not match bucket view.*",
        ".*your dataloader is not resumable.*",  # our data module keeps the place
    ):
        warnings.filterwarnings("ignore", text)
