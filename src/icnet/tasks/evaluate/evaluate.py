"""task=evaluate: every score of a checkpoint, or of label maps that any program wrote, on a split."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from icnet.data.headers import read_size
from icnet.data.judged import JudgedDataset, match_predictions
from icnet.data.samples import Sample
from icnet.data.subset import spread
from icnet.engines.engine import Engine
from icnet.errors import ConfigError, ICNetError
from icnet.report.page import write_report
from icnet.report.results import describe_machine, print_classes, write_results
from icnet.tasks.evaluate.figures import draw_evaluation
from icnet.tasks.evaluate.judging import describe_timing, measure_exits, other_exits
from icnet.tasks.evaluate.queue import open_queue, save_queue
from icnet.tasks.evaluate.scores import summarize_difference, summarize_evaluation
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.loggers import finish_tracking
from icnet.tasks.setup.trained import Trained, describe_trained, read_trained
from icnet.tasks.setup.trainer import build_evaluator, start
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import judge

log = logging.getLogger(__name__)
_OF_A_NETWORK = ("exit", "exits", "size", "scales", "flip", "window", "queue")
_IDS = {"train": True, "label": False, None: None}


class Judged(NamedTuple):
    """What is scored, on which frames. `trained` and `other` are None where label maps are read."""

    data: SegmentationDataModule
    frames: JudgedDataset
    trained: Trained | None = None
    other: Trained | None = None

    @property
    def engine(self) -> Engine | None:
        """What is judged; None where label maps are read."""
        return None if self.trained is None else self.trained.engine

    def others(self, exits: bool) -> dict[str, Engine]:
        """The engines that are scored beside the main one: the other exits, another checkpoint."""
        found = other_exits(self.engine) if self.engine is not None and exits else {}
        return found | ({"compare": self.other.engine} if self.other is not None else {})


def evaluate(cfg: DictConfig) -> None:
    """Score once over the split, write what the run leaves in its folder."""
    begin = time.monotonic()
    start(cfg.seed)
    folder = run_folder()
    trainer = build_evaluator(cfg, folder)
    judged = read_judged(cfg)
    queue = open_queue(cfg.task, judged.data.classes)
    log.info("Evaluating %d frames", len(judged.frames))
    others = judged.others(cfg.task.exits)
    result = judge(trainer, judged.engine, others, judged.frames, cfg.data.num_workers, queue)
    if not trainer.is_global_zero:
        return
    metrics = summarize_evaluation(result, judged.data.classes)
    if metrics["miou"] is None:
        raise ICNetError("the labels hold no labelled pixel: check data.split and data.classes.ignored_ids")
    protocol = describe_frames(judged.data, judged.frames)
    protocol |= {"predictions": cfg.task.predictions, "prediction_ids": cfg.task.prediction_ids}
    if judged.trained is not None:
        metrics |= measure_exits(judged.trained.engine, result, judged.frames)
        protocol |= describe_trained(judged.trained) | {
            "macs": judged.trained.engine.count_macs(tuple(protocol["image_size"])),
            "timing": describe_timing(judged.trained.engine, judged.frames),
        }
    if judged.other is not None:
        other = result.others["compare"]
        metrics["compare"] = summarize_difference(result.matrices, other, str(judged.other.checkpoint))
    protocol |= describe_machine(trainer.strategy.root_device)
    write_results(folder, "evaluate", cfg.name, metrics, protocol, time.monotonic() - begin)
    draw_evaluation(folder, judged.frames, result, metrics, judged.engine)
    save_queue(folder, cfg.task, result, judged.frames, judged.data)
    write_report(folder)
    print_classes(metrics, f"{protocol['data']}, {protocol['split']}")
    low, high = metrics["miou_interval"]
    log.info("mIoU %.4f (95 %%: %.4f to %.4f); report: %s", metrics["miou"], low, high, folder / "report.html")
    if judged.trained is not None:
        finish_tracking(trainer, metrics, protocol, result.matrix, judged.trained.checkpoint)


def read_judged(cfg: DictConfig) -> Judged:
    """The frames, and what reads them: ckpt, or task.predictions in its place."""
    if cfg.task.predictions and (cfg.ckpt or cfg.task.compare):
        raise ConfigError("task.predictions scores label maps that are there already: leave out ckpt and task.compare")
    if cfg.task.predictions and (given := [f"task.{key}" for key in _OF_A_NETWORK if given_setting(f"task.{key}")]):
        raise ConfigError(
            f"{', '.join(given)}: of a network that reads frames, and task.predictions has none; leave it out"
        )
    data: SegmentationDataModule = build(cfg.data)
    trained = other = None
    if not cfg.task.predictions:
        trained = read_trained(cfg)
        check_classes(trained, data)
        if cfg.task.compare:
            other = read_trained(cfg, cfg.task.compare)
            check_classes(other, data)
    data.prepare_data()
    samples = choose_frames(data.find_judged(), cfg.task.max_images)
    if trained is not None:
        frames = JudgedDataset(samples, data.classes, bit_depth=trained.engine.card.bit_depth)
        return Judged(data, frames, trained, other)
    if cfg.task.prediction_ids not in _IDS:
        raise ConfigError(f"task.prediction_ids is {cfg.task.prediction_ids!r}: choose train, label or null")
    paths = match_predictions([sample.image for sample in samples], Path(cfg.task.predictions))
    return Judged(data, JudgedDataset(samples, data.classes, paths, _IDS[cfg.task.prediction_ids]))


def given_setting(key: str) -> bool:
    """Whether the command line says something of it."""
    return any(override.partition("=")[0] == key for override in HydraConfig.get().overrides.task)


def check_classes(trained: Trained, data: SegmentationDataModule) -> None:
    """A score means something only where both speak of the same classes."""
    ours, theirs = list(trained.engine.card.classes.names), list(data.classes.names)
    if ours != theirs:
        raise ConfigError(
            f"{trained.checkpoint} tells {len(ours)} classes apart ({_few(ours)}), data={data.name} has {len(theirs)} "
            f"({_few(theirs)}): choose the data= that it was trained for"
        )


def choose_frames(samples: list[Sample], most: int | None) -> list[Sample]:
    """At most so many, spread evenly over the split."""
    if most is None or most >= len(samples):
        return samples
    if most < 1:
        raise ConfigError(f"task.max_images is {most}: give at least 1, or null for all")
    return [samples[i] for i in spread(len(samples), most)]


def describe_frames(data: SegmentationDataModule, frames: JudgedDataset) -> dict[str, Any]:
    """What makes the numbers comparable. image_size: the commonest (height, width), at which time and work are measured."""
    sizes = [size for size, _ in Counter(read_size(sample.image) for sample in frames.frames.samples).most_common()]
    return {
        "data": data.name,
        "split": data.judged_split,
        "images": len(frames),
        "image_size": list(sizes[0]),
        **({"image_sizes": [list(size) for size in sizes]} if len(sizes) > 1 else {}),
        "classes": data.classes.to_dict(),
        "interval": "95 %, percentile bootstrap over images",
    }


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
