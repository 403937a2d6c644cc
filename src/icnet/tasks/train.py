"""task=train: from a configuration to a trained network, its scores, its figures."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from icnet.data.check.check import check_samples
from icnet.data.check.findings import Kind
from icnet.data.check.sizes import find_smaller
from icnet.data.check.summary import Summary
from icnet.data.class_weights import check_weights, compute_class_weights
from icnet.data.headers import read_size
from icnet.data.judged import JudgedDataset
from icnet.engines.engine import Engine
from icnet.engines.load import load_engine
from icnet.errors import DataError, ICNetError
from icnet.model.work import count_parameters
from icnet.objectives.objective import Objective
from icnet.report.page import write_report
from icnet.report.results import describe_machine, print_classes, write_results
from icnet.targets import arguments_of
from icnet.tasks.evaluate.figures import draw_evaluation, draw_training
from icnet.tasks.evaluate.judging import describe_timing, measure_exits, other_exits
from icnet.tasks.evaluate.queue import open_queue, save_queue
from icnet.tasks.evaluate.scores import summarize_evaluation
from icnet.tasks.prepare.table import print_summary
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.device import choose_autocast
from icnet.tasks.setup.loggers import finish_tracking
from icnet.tasks.setup.network import Network, build_network, wants_list
from icnet.tasks.setup.teacher import check_depth, describe_teacher, find_label_maps, read_teacher
from icnet.tasks.setup.trainer import build_trainer, fit, start
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import judge
from icnet.training.module import SegmentationModule
from icnet.weights.download import sha256

log = logging.getLogger(__name__)

_FATAL = (Kind.BROKEN, Kind.SIZE_MISMATCH, Kind.UNKNOWN_LABEL, Kind.BLENDED)  # what no training goes on with


def train(cfg: DictConfig) -> None:
    """Fit, score the best checkpoint, write what a run leaves in its folder."""
    if wants_list(cfg):
        return
    start(cfg.seed)
    folder = run_folder()
    trainer = build_trainer(cfg, folder, monitor="val/miou")
    data: SegmentationDataModule = build(cfg.data, label_maps=find_label_maps(cfg))
    train_network(cfg, folder, trainer, data, build_network(cfg, data))


def train_network(
    cfg: DictConfig,
    folder: Path,
    trainer: pl.Trainer,
    data: SegmentationDataModule,
    network: Network,
    known: Mapping[str, Any] | None = None,
) -> Path:
    """What `train` does with a network; returns the folder as all processes know it afterwards.

    known: further metrics for results.json.
    """
    begin = time.monotonic()
    teacher = read_teacher(cfg, data)
    open_queue(cfg.task, data.classes)
    build_objective(cfg, data, teacher)  # refuses what cannot be before any data are read
    if data.prepare is not None:
        log.info("Preparing the frames in %s (some seconds, on first use)", data.root)
    data.prepare_data()
    data.setup()
    check_depth(teacher, data)
    if data.table and trainer.is_global_zero:
        show_data(data)
    module = build_module(cfg, data, network, teacher)
    log.info(
        "%s: %d training and %d validation frames, %d classes; %.2f M parameters; folder %s",
        data.name,
        len(data.train_set),
        len(data.val_set),
        len(data.classes),
        count_parameters(module.net) / 1e6,
        folder,
    )
    fit(cfg, trainer, module, data, data.augment.crop_size)
    folder = trainer.strategy.broadcast(folder)  # under torchrun and SLURM the first process alone knows it
    score_best(cfg, folder, trainer, data, module, known or {}, begin)
    return folder


def score_best(
    cfg: DictConfig,
    folder: Path,
    trainer: pl.Trainer,
    data: SegmentationDataModule,
    module: SegmentationModule,
    known: Mapping[str, Any],
    begin: float,
) -> None:
    """Judge the best checkpoint, in all processes; the first one writes results, figures and the page."""
    best = folder / "checkpoints" / "best.ckpt"
    engine = read_best(cfg, best)
    frames = JudgedDataset(data.val_set.samples, data.classes, bit_depth=engine.card.bit_depth)
    result = judge(trainer, engine, other_exits(engine), frames, data.num_workers, open_queue(cfg.task, data.classes))
    if not trainer.is_global_zero:
        return
    metrics = summarize_evaluation(result, data.classes) | measure_exits(engine, result, frames) | dict(known)
    protocol = describe_protocol(cfg, module, data, best)
    protocol |= {"parameters": engine.card.parameters, "timing": describe_timing(engine, frames)}
    protocol["macs"] = engine.count_macs(tuple(protocol["image_size"]))
    write_results(folder, "train", cfg.name, metrics, protocol, time.monotonic() - begin)
    draw_evaluation(folder, frames, result, metrics, engine)
    draw_training(folder, data, engine)
    save_queue(folder, cfg.task, result, frames, data)
    write_report(folder)
    print_classes(metrics, "Validation, best checkpoint")
    log.info("mIoU %.4f; report: %s", metrics["miou"], folder / "report.html")
    finish_tracking(trainer, metrics, protocol, result.matrix, best)


def show_data(data: SegmentationDataModule) -> None:
    """Say what the data hold, as the user sees it; DataError where training would fail on a file that was looked at."""
    train, val = data.train_set, data.val_set
    facts = check_samples(train.samples, val.samples, data.classes, data.table, train.bit_depth)
    if data.augment.base is None:
        facts.findings += find_smaller(facts.frames, data.augment.crop_size)
    summary = Summary(str(data.name), str(data.root), facts, ("train",))
    print_summary(summary)
    if fatal := [text for kind in _FATAL for text in summary.found.get(kind, [])]:
        more = f"; task=prepare names {len(fatal) - 1} more" if len(fatal) > 1 else ""
        raise DataError(summary.found.get(Kind.MEANT, fatal)[0] + more)


def build_objective(
    cfg: DictConfig, data: SegmentationDataModule, teacher: Engine | None, weights: Sequence[float] | None = None
) -> Objective:
    """What `loss` says. weights: of the classes, where they are computed from the labels."""
    given = cfg.loss.get("class_weights")
    if weights is None and given is not None and not isinstance(given, str):
        weights = check_weights([float(weight) for weight in given], data.classes)
    made = {"class_weights": weights, "align_corners": cfg.model.align_corners, "teacher": teacher}
    made["confidence"] = cfg.task.get("confidence")
    objective: Objective = build(cfg.loss, **{k: v for k, v in made.items() if k in arguments_of(cfg.loss._target_)})
    return objective


def build_module(
    cfg: DictConfig, data: SegmentationDataModule, network: Network, teacher: Engine | None
) -> SegmentationModule:
    """The network in its LightningModule, with all that it is handed."""
    weights = None
    if isinstance(cfg.loss.get("class_weights"), str):
        weights = compute_class_weights(data.train_set.samples, data.classes, cfg.loss.class_weights)
        log.info("Class weights (%s): %s", cfg.loss.class_weights, ", ".join(f"{w:.2f}" for w in weights))
    network.normalize.bit_depth = data.train_set.bit_depth
    module: SegmentationModule = build(
        cfg.module,
        net=network.net,
        objective=build_objective(cfg, data, teacher, weights),
        optimizer=build(cfg.optimizer),
        scheduler=build(cfg.scheduler),
        normalize=network.normalize,
        classes=data.classes,
        frame_size=read_size(data.val_set.samples[0].image),
        loaded=network.loaded,
        compile_cascade=cfg.model.compile,
    )
    return module


def read_best(cfg: DictConfig, best: Path) -> Engine:
    """The engine of the best checkpoint, in the precision of the training."""
    if not best.is_file():
        raise ICNetError(
            "training ended before its first validation: train longer or set trainer.val_check_interval lower"
        )
    return load_engine(best, choose_autocast(cfg.trainer), channels_last=cfg.model.channels_last)


def describe_protocol(
    cfg: DictConfig, module: SegmentationModule, data: SegmentationDataModule, checkpoint: Path
) -> dict[str, Any]:
    """What makes the numbers comparable."""
    size = tuple(data.val_set[0].label.shape)
    return {
        "data": data.name,
        "split": data.division.words,
        "images": len(data.val_set),
        "image_size": [int(n) for n in size],
        "scales": [1.0],
        "flip": False,
        "classes": data.classes.to_dict(),
        "train_images": len(data.train_set),
        **describe_teacher(cfg, data),
        "train_samples": int(module.trainer.fit_loop.total_batch_idx + 1) * data.batch_size * module.trainer.world_size,
        "crop_size": list(data.augment.crop_size),
        "seed": cfg.seed,
        "precision": module.trainer.precision,
        "checkpoint_sha256": sha256(checkpoint),
        **describe_machine(module.trainer.strategy.root_device),
    }
