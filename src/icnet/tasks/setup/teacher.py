"""Who teaches: a trained network beside the labels, or a folder of label maps for frames that have none."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from icnet.data.unlabelled import JoinedDataset
from icnet.engines.engine import Engine
from icnet.engines.load import load_engine
from icnet.engines.views import Scheme
from icnet.errors import ConfigError
from icnet.targets import arguments_of
from icnet.tasks.evaluate.evaluate import check_classes
from icnet.tasks.setup.device import choose_autocast
from icnet.tasks.setup.trained import Trained
from icnet.training.datamodule import SegmentationDataModule
from icnet.weights.download import locate, sha256

log = logging.getLogger(__name__)


def find_label_maps(cfg: DictConfig) -> str | None:
    """task.teacher where it is a folder: the data read it, no network does."""
    teacher: str | None = cfg.task.get("teacher")
    return teacher if teacher and Path(teacher).is_dir() else None


def read_teacher(cfg: DictConfig, data: SegmentationDataModule) -> Engine | None:
    """The network of task.teacher, ready to answer for crops of the data; None where nobody asks one.

    Refuses, before any data are read, a teacher that nobody asks or that cannot answer, and unlabelled frames without one.
    """
    path, asked = cfg.task.get("teacher"), "teacher" in arguments_of(cfg.loss._target_)
    if find_label_maps(cfg):
        if data.unlabelled is None:
            raise ConfigError(
                f"task.teacher={path} is a folder, so of label maps for the frames of data.unlabelled, which is not given; "
                "of a network give the file, RUN/checkpoints/best.ckpt"
            )
        if asked:
            log.info("task.teacher=%s has labels alone: they count as labels do, and the loss compares no scores", path)
        return None
    if path and not asked:
        raise ConfigError(f"task.teacher={path} is a network, which this loss asks nothing: add loss=distill")
    if path:
        file = locate(path)
        engine = load_engine(file, choose_autocast(cfg.trainer), channels_last=cfg.model.channels_last)
        check_teacher(engine, file, data)
        return engine
    if asked or data.unlabelled is not None:
        who = f"data.unlabelled={data.unlabelled}" if data.unlabelled is not None else "this loss"
        raise ConfigError(f"{who} needs a teacher: add loss=distill task.teacher=CKPT, or a folder of label maps")
    return None


def check_teacher(engine: Engine, path: Path, data: SegmentationDataModule) -> None:
    """It knows the classes of the data, and gives scores of their crops as they are."""
    check_classes(Trained(path, engine, Scheme()), data)
    if not engine.card.has_scores:
        raise ConfigError(
            f"task.teacher={path} gives label maps, no scores: export it with task.output=logits, or let task=predict write "
            "label maps of data.unlabelled and give their folder"
        )
    height, width = crop = data.augment.crop_size
    if engine.card.size not in (None, crop):
        raise ConfigError(
            f"task.teacher={path} takes frames of {'x'.join(map(str, engine.card.size))} alone, and training hands it crops "
            f"of {height}x{width}: export it with task.size=dynamic or task.size=[{height},{width}]"
        )


def check_depth(teacher: Engine | None, data: SegmentationDataModule) -> None:
    """It sees 16-bit images as bright as it has learned them; known when the data are set up."""
    depth = data.val_set.bit_depth
    if teacher is not None and teacher.card.bit_depth != depth:
        raise ConfigError(
            f"task.teacher takes {teacher.card.bit_depth} bits of 16-bit images for used, and the training {depth}: say "
            f"data.bit_depth={teacher.card.bit_depth}"
        )


def describe_teacher(cfg: DictConfig, data: SegmentationDataModule) -> dict[str, Any]:
    """What a protocol says of it, and of the frames that it answers for; nothing where nobody taught."""
    path = cfg.task.teacher
    about = {"teacher": path, "teacher_sha256": None if find_label_maps(cfg) else sha256(locate(path))} if path else {}
    if isinstance(data.train_set, JoinedDataset):
        about |= {"unlabelled_images": len(data.train_set.images), "confidence": cfg.task.confidence}
    return about
