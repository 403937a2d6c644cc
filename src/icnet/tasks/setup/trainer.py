"""Lightning's Trainer as every training task uses it."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from icnet.data.workers import naming_deaths
from icnet.errors import ConfigError, ICNetError
from icnet.processes import is_follower
from icnet.tasks.setup.build import build
from icnet.tasks.setup.loggers import build_loggers
from icnet.tracking.tracker import Examples
from icnet.training.callbacks import ProgressBar
from icnet.training.checkpoint import AtomicCheckpointIO, Checkpoints
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.interrupt import SaveOnSignal, keep_signals
from icnet.training.metrics_file import MetricsFile
from icnet.training.pretrain import ImageNetDataModule
from icnet.training.progress import NEVER, Progress
from icnet.training.speed import ImagesPerSecond

Data = SegmentationDataModule | ImageNetDataModule
_AUTOCAST = {"32-true": None, "32": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def build_trainer(cfg: DictConfig, folder: Path, monitor: str) -> pl.Trainer:
    """Lightning's Trainer with our checkpoints, callbacks and loggers; `monitor` decides which checkpoint is best."""
    checkpoints = Checkpoints(folder / "checkpoints", monitor, cfg.task.save_every_steps, cfg.task.save_every_minutes)
    progress = Progress(cfg.trainer.val_check_interval, cfg.trainer.check_val_every_n_epoch)
    callbacks = [build(c) for c in cfg.callbacks.values()]  # in this order: a row is written before its checkpoint is
    callbacks += [progress, ImagesPerSecond(), MetricsFile(folder / "metrics.csv")]
    callbacks += [checkpoints, Examples(), SaveOnSignal(checkpoints)]
    if (cfg.trainer.max_steps or -1) < 0 and (cfg.trainer.max_epochs or -1) < 0:
        raise ConfigError("the run has no end: give trainer.max_steps or trainer.max_epochs")
    trainer: pl.Trainer = build(
        cfg.trainer,
        callbacks=callbacks,
        logger=build_loggers(cfg, folder),
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(folder),
        sync_batchnorm=cfg.trainer.accelerator != "cpu" and torch.cuda.is_available(),  # on one device it stays plain
        precision=choose_precision(cfg.trainer.precision, cfg.trainer.accelerator),
        val_check_interval=NEVER,  # Progress decides
        check_val_every_n_epoch=None,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    keep_signals(trainer)
    return trainer


def build_evaluator(cfg: DictConfig, folder: Path) -> pl.Trainer:
    """Lightning's Trainer for one pass over frames; predictors bring their own precision."""
    trainer: pl.Trainer = build(
        cfg.trainer,
        callbacks=[ProgressBar()],
        logger=build_loggers(cfg, folder),
        default_root_dir=str(folder),
        precision="32-true",
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    keep_signals(trainer)
    return trainer


def choose_precision(wanted: str, accelerator: str) -> str:
    """`auto`: mixed bf16 where the device computes in bf16 by itself, else fp32. Others are taken as they are."""
    if wanted != "auto":
        return str(wanted)
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if has_bf16 else "32-true"


def choose_autocast(trainer: DictConfig) -> torch.dtype | None:
    """trainer.precision= as the type that convolutions compute in; None is fp32."""
    precision = choose_precision(trainer.precision, trainer.accelerator)
    if precision not in _AUTOCAST:
        raise ConfigError(f"trainer.precision is {precision}: choose one of auto, {', '.join(_AUTOCAST)}")
    return _AUTOCAST[precision]


def fit(cfg: DictConfig, trainer: pl.Trainer, module: pl.LightningModule, data: Data, crop_size: Sequence[int]) -> None:
    """trainer.fit, from last.ckpt where the run is resumed; out of memory names what to make smaller."""
    last = Path(str(cfg.task.resume or "")) / "checkpoints" / "last.ckpt"
    resumed = str(last) if cfg.task.resume and last.is_file() else None
    try:
        with naming_deaths(lambda: (data.train_set.board, data.val_set.board)):
            trainer.fit(module, datamodule=data, ckpt_path=resumed, weights_only=True)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ICNetError(
            f"out of memory with data.batch_size={data.batch_size} and data.crop_size={list(crop_size)}: lower one of "
            "them (trainer.accumulate_grad_batches=2 keeps the effective batch), or use trainer.precision=bf16-mixed"
        ) from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """torch's own error has a type on GPUs alone."""
    return any(sign in str(error) for sign in _OUT_OF_MEMORY)


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
