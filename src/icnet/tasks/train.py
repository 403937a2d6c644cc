"""task=train: from a configuration to a trained network, its scores, its figures."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from icnet.data.class_weights import compute_class_weights
from icnet.data.judged import JudgedDataset
from icnet.deploy.measure import count_macs, count_parameters
from icnet.errors import ICNetError
from icnet.model.icnet import CascadeLogits
from icnet.model.preprocess import Normalize
from icnet.predict import Predictor
from icnet.report.page import write_report
from icnet.report.results import describe_machine, print_classes, write_results
from icnet.tasks.evaluate.figures import draw_evaluation, draw_training
from icnet.tasks.evaluate.judging import judge_frames, measure_exits
from icnet.tasks.evaluate.scores import summarize_evaluation
from icnet.tasks.setup.build import build, build_network, run_folder
from icnet.tasks.setup.loggers import finish_tracking
from icnet.tasks.setup.trainer import build_trainer, choose_autocast, fit, start
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import Evaluation
from icnet.training.module import SegmentationModule
from icnet.weights.checkpoint import read_checkpoint, sha256

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> None:
    """Fit, score the best checkpoint, write what a run leaves in its folder."""
    begin = time.monotonic()
    start(cfg.seed)
    folder = run_folder()
    data: SegmentationDataModule = build(cfg.data)
    if data.prepare is not None:
        log.info("Preparing the frames in %s (some seconds, on first use)", data.root)
    data.prepare_data()
    data.setup()
    module = build_module(cfg, data)
    trainer = build_trainer(cfg, folder, monitor="val/miou")
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
    best = folder / "checkpoints" / "best.ckpt"
    result = score(cfg, trainer, module, data, best)
    metrics = summarize_evaluation(result, data.classes)
    protocol = describe_protocol(cfg, module, data, best)
    metrics |= measure_exits(module.net, CascadeLogits._fields[-1], result, tuple(protocol["image_size"]))
    if trainer.is_global_zero:
        write_results(folder, "train", cfg.name, metrics, protocol, time.monotonic() - begin)
        predictor = Predictor(module.net, module.normalize)
        draw_evaluation(folder, judged_frames(data), result, metrics, predictor)
        draw_training(folder, data, predictor)
        write_report(folder)
        print_classes(metrics, "Validation, best checkpoint")
        log.info("mIoU %.4f; report: %s", metrics["miou"], folder / "report.html")
        finish_tracking(trainer, metrics, protocol, result.matrix, best)


def build_module(cfg: DictConfig, data: SegmentationDataModule) -> SegmentationModule:
    """The network in its LightningModule, with all that it is handed."""
    net, loaded = build_network(cfg, data.classes)
    weights = cfg.loss.class_weights
    if isinstance(weights, str):
        weights = compute_class_weights(data.train_set.samples, data.classes, weights)
        log.info("Class weights (%s): %s", cfg.loss.class_weights, ", ".join(f"{w:.2f}" for w in weights))
    elif weights is not None:
        weights = OmegaConf.to_object(weights)
    loss = build(cfg.loss, class_weights=weights, align_corners=cfg.model.align_corners)
    module: SegmentationModule = build(
        cfg.module,
        net=net,
        loss=loss,
        optimizer=build(cfg.optimizer),
        scheduler=build(cfg.scheduler),
        normalize=Normalize(data.mean, data.std, cfg.model.channels_last),
        classes=data.classes,
        loaded=loaded.loaded,
        compile_cascade=cfg.model.compile,
    )
    return module


def score(
    cfg: DictConfig, trainer: pl.Trainer, module: SegmentationModule, data: SegmentationDataModule, best: Path
) -> Evaluation:
    """Judge the best checkpoint, and its earlier exits, on the validation frames."""
    if not best.is_file():
        raise ICNetError(
            "training ended before its first validation: train longer or set trainer.val_check_interval lower"
        )
    module.net.load_state_dict(read_checkpoint(best).state)
    autocast = choose_autocast(cfg.trainer)
    exits = {
        name: Predictor(module.net.exit_at(name), module.normalize, autocast=autocast) for name in CascadeLogits._fields
    }
    main = exits.pop(CascadeLogits._fields[-1])
    return judge_frames(trainer, main, exits, judged_frames(data), data.num_workers)


def judged_frames(data: SegmentationDataModule) -> JudgedDataset:
    """The validation frames at native size."""
    return JudgedDataset(data.val_set.samples, data.classes)


def describe_protocol(
    cfg: DictConfig, module: SegmentationModule, data: SegmentationDataModule, checkpoint: Path
) -> dict[str, Any]:
    """What makes the numbers comparable."""
    size = tuple(data.val_set[0].label.shape)
    return {
        "data": data.name,
        "split": data.validation_split,
        "images": len(data.val_set),
        "image_size": [int(n) for n in size],
        "scales": [1.0],
        "flip": False,
        "classes": data.classes.to_dict(),
        "train_images": len(data.train_set),
        "train_samples": int(module.trainer.fit_loop.total_batch_idx + 1) * data.batch_size * module.trainer.world_size,
        "crop_size": list(data.augment.crop_size),
        "seed": cfg.seed,
        "precision": module.trainer.precision,
        "parameters": count_parameters(module.net),
        "macs": count_macs(module.net, (int(size[0]), int(size[1]))),
        "checkpoint_sha256": sha256(checkpoint),
        **describe_machine(module.trainer.strategy.root_device),
    }
