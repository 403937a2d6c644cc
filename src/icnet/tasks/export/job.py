"""What task=export is asked for, looked at before the first file is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from icnet.data.judged import JudgedDataset
from icnet.deploy.export import Order
from icnet.deploy.quantise import Material, choose_material
from icnet.deploy.web import find_runtime
from icnet.engines.exported import is_exported
from icnet.engines.load import load_engine
from icnet.engines.views import Scheme
from icnet.errors import ConfigError
from icnet.report.results import describe_machine
from icnet.tasks.evaluate.evaluate import check_classes, describe_frames, given_setting
from icnet.tasks.setup.build import build
from icnet.tasks.setup.trained import Trained, check_checkpoint, describe_trained
from icnet.training.datamodule import SegmentationDataModule
from icnet.weights.checkpoint import Source, read_source


@dataclass(frozen=True)
class Job:
    """A checkpoint and the file that is wanted of it.

    trained: the checkpoint at the exit of the file, in fp32, and how its frames are read.
    frames: which certify; None without task.certify. material: for int8. runtime: for a page, where its files lie.
    protocol: what is known of all this before anything is measured.
    """

    source: Source
    order: Order
    trained: Trained
    frames: JudgedDataset | None
    material: Material | None
    runtime: Path | None
    protocol: dict[str, Any]


def read_checkpoint(cfg: DictConfig) -> tuple[Path, Source]:
    """What is exported."""
    checkpoint = check_checkpoint(cfg.ckpt)
    if is_exported(checkpoint):
        raise ConfigError(f"ckpt={checkpoint} is exported already: give the checkpoint that it was made of")
    return checkpoint, read_source(checkpoint)


def read_job(cfg: DictConfig) -> Job:
    """ConfigError, DataError or WeightsError for what cannot be."""
    checkpoint, source = read_checkpoint(cfg)
    order = read_order(cfg.task, source)
    check_used(cfg.task)
    runtime = find_runtime(cfg.task.runtime) if order.format == "web" else None
    trained = Trained(checkpoint, load_engine(checkpoint).at(order.exit), Scheme())
    data = read_data(cfg, trained, order)
    frames, protocol = read_frames(cfg, trained, data)
    material = (
        None
        if data is None or order.precision != "int8"
        else read_material(cfg.task, data, frames, trained.engine.card.bit_depth)
    )
    return Job(source, order, trained, frames, material, runtime, protocol)


def check_used(task: DictConfig) -> None:
    """Refuse what the command line says without effect on this file."""
    idle = {"runtime": task.format != "web", "calibration": task.precision != "int8", "max_drop": not task.certify}
    idle |= {"results": True, "license": True}  # of task.format=hub
    if unused := [f"task.{key}" for key, is_idle in idle.items() if is_idle and given_setting(f"task.{key}")]:
        raise ConfigError(
            f"{', '.join(unused)}: without effect with task.format={task.format} task.precision={task.precision} "
            f"task.certify={task.certify}; leave out"
        )


def read_order(task: DictConfig, source: Source) -> Order:
    """What the task asks for; the size is the data's where it says nothing."""
    size = task.size
    if size is None and source.frame_size is None:
        raise ConfigError(f"{source.origin} does not say how large the frames of its data are: give task.size=[H,W]")
    if size is None:
        size = list(source.frame_size or ())
    elif size == "dynamic":
        size = None
    elif not (isinstance(size, ListConfig) and len(size) == 2 and all(type(n) is int for n in size)):
        raise ConfigError(f"task.size is {size}: give [height,width] or dynamic")
    return Order(task.format, task.precision, task.exit, task.output, size and (size[0], size[1]), task.sparse)


def read_data(cfg: DictConfig, trained: Trained, order: Order) -> SegmentationDataModule | None:
    """The data that certify or calibrate; None where nothing needs any."""
    if not cfg.task.certify and order.precision != "int8":
        return None
    data: SegmentationDataModule = build(cfg.data)
    try:
        check_classes(trained, data)
    except ConfigError as error:
        other = "; task.precision=int8 calibrates on it" if order.precision == "int8" else ", or task.certify=false"
        raise ConfigError(f"{error}{other}") from error
    data.prepare_data()
    return data


def read_frames(
    cfg: DictConfig, trained: Trained, data: SegmentationDataModule | None
) -> tuple[JudgedDataset | None, dict[str, Any]]:
    """The frames that certify, none without task.certify; and what the protocol says of them and of the checkpoint."""
    protocol = describe_trained(trained) | describe_machine(trained.engine.device)
    if data is None or not cfg.task.certify:
        return None, protocol
    frames = JudgedDataset(data.find_judged(), data.classes, bit_depth=trained.engine.card.bit_depth)
    return frames, protocol | describe_frames(data, frames)


def read_material(
    task: DictConfig, data: SegmentationDataModule, frames: JudgedDataset | None, bit_depth: int
) -> Material:
    """Training frames to quantise with; where a certificate follows, some to search on, and none of those that it judges."""
    judged = [] if frames is None else frames.frames.samples
    training, search = data.find_samples()[0], frames is not None
    return choose_material(training, judged, data.classes, task.calibration, search, bit_depth)
