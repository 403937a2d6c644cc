"""The loggers of a run: built from the configuration, told the results at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch import Tensor

from icnet.tasks.setup.build import build
from icnet.tracking.tracker import RunResult, Tracker, trackers_of


def build_loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """The loggers that `logger` names. Ours are handed the run's folder and its resolved configuration."""
    nodes = [node for node in (cfg.get("logger") or {}).values() if node]
    config = OmegaConf.to_container(cfg, resolve=True)
    own = [issubclass(get_class(node._target_), Tracker) for node in nodes]
    return [build(n, folder=folder, config=config) if ours else build(n) for n, ours in zip(nodes, own, strict=True)]


def finish_tracking(
    trainer: pl.Trainer, metrics: Mapping[str, Any], protocol: Mapping[str, Any], matrix: Tensor | None, best: Path
) -> None:
    """Tell the loggers what the run ended with; uploads may take their time, so this comes last."""
    counts = None if matrix is None else matrix.cpu().numpy()
    for tracker in trackers_of(trainer):
        tracker.log_result(RunResult(metrics, protocol, counts, best), trainer.global_step)
