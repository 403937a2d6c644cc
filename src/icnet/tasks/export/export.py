"""task=export: from a checkpoint to a folder that is copied to the device, judged before its file gets a name."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig
from torch import Tensor

from icnet.data.judged import JudgedDataset
from icnet.data.subset import spread
from icnet.deploy.export import Order, describe, write_file
from icnet.deploy.kit import write_kit
from icnet.deploy.quantise import Material, choose_material, quantise
from icnet.deploy.web import find_runtime, write_page
from icnet.engines.exported import ExportedEngine, is_exported, open_exported
from icnet.engines.facts import NOT_CERTIFIED
from icnet.engines.load import load_engine
from icnet.engines.views import Scheme
from icnet.errors import ConfigError, ICNetError
from icnet.report.page import write_report
from icnet.report.results import describe_machine, write_results
from icnet.streets.scene import draw_street
from icnet.tasks.evaluate.evaluate import check_classes, describe_frames
from icnet.tasks.export.certificate import certify, draw_differences
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.trained import Trained, check_checkpoint, describe_trained
from icnet.tasks.setup.trainer import build_evaluator, start
from icnet.training.datamodule import SegmentationDataModule
from icnet.weights.checkpoint import Source, read_source

log = logging.getLogger(__name__)

_GOLDEN = 3  # frames that come with the file
_STREETS = (512, 1024)  # size of generated ones where no other is known


def export(cfg: DictConfig) -> None:
    """Write the file, judge it, name it. A file that loses too much keeps another name, and the run ends with status 1."""
    begin = time.monotonic()
    start(cfg.seed)
    folder = run_folder()
    checkpoint = check_checkpoint(cfg.ckpt)
    if is_exported(checkpoint):
        raise ConfigError(f"ckpt={checkpoint} is exported already: give the checkpoint that it was made of")
    source = read_source(checkpoint)
    order = read_order(cfg.task, source)
    runtime = find_runtime(cfg.task.runtime) if order.format == "web" else None
    trained = Trained(checkpoint, load_engine(checkpoint).at(order.exit), Scheme())
    data = read_data(cfg, trained, order)
    frames, protocol = read_frames(cfg, trained, data)
    material = None if data is None or order.precision != "int8" else read_material(cfg.task, data, frames)
    metrics, fault = {}, None
    with make_drafts(folder) as (draft, aside):
        log.info("Writing %s in %s", order.format, order.precision)
        if material is None:
            path, plain, quantised = write_file(source, order, draft), None, None
        else:
            plain = open_exported(write_file(source, replace(order, precision="fp32"), aside))
            path = draft / plain.path.name
            quantised = quantise(plain, order.writer, material, cfg.task.max_drop, path)
            order.writer.stamp(path, describe(source, order, quantised))
        if frames is not None:
            log.info("Comparing the file with its checkpoint on %d frames", len(frames))
            engine = open_exported(path)
            evaluator = build_evaluator(cfg, folder)
            certificate = certify(evaluator, engine, trained.engine, plain, frames, cfg.data.num_workers)
            draw_differences(folder, certificate, frames, engine, trained.engine)
            metrics, fault = certificate.metrics, certificate.fault(order.precision, cfg.task.max_drop)
        proof = {"metrics": metrics, "protocol": protocol} if metrics else NOT_CERTIFIED
        facts = describe(source, order, quantised, proof)
        order.writer.stamp(path, facts)
        engine = open_exported(path)
        write_kit(draft, engine, facts, choose_golden(frames, order.size or source.frame_size))
        if runtime is not None:
            write_page(draft, runtime)
        protocol |= describe_file(engine, path)
        name_files(draft, folder, "model" if fault is None else "model.rejected")
    protocol["rejected"] = fault
    write_results(folder, "export", cfg.name, metrics, protocol, time.monotonic() - begin)
    write_report(folder)
    if fault is not None:
        raise ICNetError(f"{folder / 'model.rejected'}{path.suffix} {fault}; the frames that differ most: report.html")
    log.info("%s; report: %s", say_end(metrics, folder / path.name), folder / "report.html")


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
    frames = JudgedDataset(data.find_judged(), data.classes)
    return frames, protocol | describe_frames(data, frames)


def read_material(task: DictConfig, data: SegmentationDataModule, frames: JudgedDataset | None) -> Material:
    """Training frames to quantise with; where a certificate follows, some to search on, and none of those that it judges."""
    judged = [] if frames is None else frames.frames.samples
    return choose_material(data.find_samples()[0], judged, data.classes, task.calibration, frames is not None)


@contextmanager
def make_drafts(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two folders that go when the run ends, however it ends: of what gets a name, and of what is only compared with it."""
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as made:
        draft, aside = Path(made) / "draft", Path(made) / "aside"
        draft.mkdir()
        aside.mkdir()
        yield draft, aside


def choose_golden(frames: JudgedDataset | None, size: Sequence[int] | None) -> list[Tensor]:
    """Three frames that every device must read alike: of the split, or generated streets where there is none."""
    if frames is not None:
        return [frames[i].image for i in spread(len(frames), _GOLDEN)]
    height, width = size or _STREETS
    return [torch.from_numpy(draw_street(0, i, (height, width)).image) for i in range(_GOLDEN)]


def describe_file(engine: ExportedEngine, path: Path) -> dict[str, Any]:
    """The part of the protocol about the file; it has the checkpoint's parameters and exit."""
    facts = engine.facts
    return {
        "file": path.name,
        "engine": engine.card.kind,
        "precision": engine.card.precision,
        "frame_size": facts.size or "any",
        "output": facts.output,
        **({} if facts.quantised is None else {"quantised": facts.quantised}),
        "bytes": sum(part.stat().st_size for part in path.parent.glob(f"{path.stem}.*") if part.suffix != ".json"),
    }


def name_files(draft: Path, folder: Path, stem: str) -> None:
    """Move the finished files into the run's folder; of a rejected model the model alone."""
    for file in sorted(draft.iterdir()):
        if file.stem == "model":
            file.replace(folder / f"{stem}{file.suffix}")
        elif stem == "model":
            file.replace(folder / file.name)


def say_end(metrics: Mapping[str, Any], path: Path) -> str:
    """What the run ends with."""
    if not metrics:
        return f"{path} is not certified"
    return f"{path}: mIoU {metrics['miou']:.4f}, its checkpoint {metrics['checkpoint_miou']:.4f}"
