"""What the rounds of a compression are compared by: the network that was given, sizes, times, and each layer cut alone."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from omegaconf import DictConfig
from torch import Tensor

from icnet.data.judged import JudgedDataset
from icnet.data.subset import spread
from icnet.deploy.speed import time_images
from icnet.engines.pytorch import TorchEngine
from icnet.metrics.confusion import mean_iou
from icnet.model.prune import cut
from icnet.model.work import count_weights
from icnet.tasks.compress.order import Order
from icnet.tasks.compress.rounds import Round, open_engine, quiet, read_data
from icnet.tasks.evaluate.scores import summarize_exit
from icnet.tasks.setup.trainer import build_evaluator
from icnet.training.evaluation import judge
from icnet.weights.checkpoint import Source, read_source

log = logging.getLogger(__name__)


class Judged(NamedTuple):
    """The network that was given, and what it made of each frame: (images, classes, classes)."""

    trainer: pl.Trainer
    engine: TorchEngine
    frames: JudgedDataset
    matrices: Tensor


def judge_given(cfg: DictConfig, folder: Path, engine: TorchEngine) -> Judged:
    """All validation frames, as the rounds are judged."""
    trainer, (_, frames) = build_evaluator(quiet(cfg), folder), read_data(cfg)
    return Judged(trainer, engine, frames, judge(trainer, engine, {}, frames, cfg.data.num_workers).matrices)


def measure_sensitivity(cfg: DictConfig, order: Order, source: Source, judged: Judged) -> list[dict[str, Any]]:
    """What each group loses on a few frames when it alone is cut to the last share, without fine-tuning."""
    every = judged.frames.frames
    chosen = spread(len(every), cfg.task.sensitivity_images)
    if not chosen:
        return []
    frames = JudgedDataset([every.samples[i] for i in chosen], every.classes, bit_depth=every.bit_depth)
    net, whole = source.build(), mean_iou(judged.matrices[chosen].sum(dim=0))
    kept = order.choose(net, order.keep[-1])
    log.info("Cutting each of %d groups of layers alone, judged on %d frames", len(kept), len(frames))
    rows = []
    for group, channels in kept.items():
        engine = open_engine(cfg, source, cut(net, {group: channels}))
        miou = mean_iou(judge(judged.trainer, engine, {}, frames, cfg.data.num_workers).matrix)
        about = {"group": group.name, "convolutions": len(group.writers), "width": group.width}
        rows.append(about | {"miou": miou, "drop": whole - miou})
    return rows


def list_rows(cfg: DictConfig, judged: Judged, rounds: Sequence[Round]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The given network and each round: size, work, scores, and milliseconds for which all took turns."""
    engines = [judged.engine, *(open_engine(cfg, read_source(this.best)) for this in rounds)]
    frame = judged.frames[0].image
    size = (int(frame.shape[0]), int(frame.shape[1]))
    times = time_images({str(i): engine.to(judged.engine.device) for i, engine in enumerate(engines)}, frame[None])
    rows = [
        {
            "keep": 1.0,
            "parameters": count_weights(engine.net),
            "macs": engine.count_macs(size),
            "image_ms": statistics.median(series),
        }
        for engine, series in zip(engines, times.values(), strict=True)
    ]
    rows[0] |= summarize_exit(judged.matrices)
    for row, this in zip(rows[1:], rounds, strict=True):
        metrics = this.read_results()["metrics"]
        row |= {"keep": this.keep} | {name: metrics[name] for name in ("miou_cut", "miou", "miou_interval")}
    return rows[0], rows[1:]
