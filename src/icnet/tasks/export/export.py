"""task=export: from a checkpoint to a folder that is copied to the device, judged before its file gets a name."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from icnet.data.judged import JudgedDataset
from icnet.data.subset import spread
from icnet.deploy.export import describe, write_file
from icnet.deploy.kit import write_kit
from icnet.deploy.quantise import quantise
from icnet.deploy.web import write_page
from icnet.engines.exported import ExportedEngine, open_exported
from icnet.engines.facts import NOT_CERTIFIED
from icnet.errors import ICNetError
from icnet.report.page import write_report
from icnet.report.results import write_results
from icnet.streets.scene import draw_street
from icnet.tasks.export.certificate import Certificate, certify, draw_differences
from icnet.tasks.export.hub import HUB, write_repository
from icnet.tasks.export.job import Job, read_job
from icnet.tasks.setup.build import run_folder
from icnet.tasks.setup.trainer import build_evaluator, start

log = logging.getLogger(__name__)

_GOLDEN = 3  # frames that come with the file
_STREETS = (512, 1024)  # size of generated ones where no other is known


class Made(NamedTuple):
    """A file that has no name yet.

    plain: of a quantised one, the float file that it was made of. quantised: with what, and what stayed in float.
    """

    path: Path
    plain: ExportedEngine | None = None
    quantised: dict[str, Any] | None = None


def export(cfg: DictConfig) -> None:
    """Write the file, judge it, name it. A file that loses too much keeps another name, and the run ends with status 1."""
    begin = time.monotonic()
    start(cfg.seed)
    folder = run_folder()
    if cfg.task.format == HUB:
        export_repository(cfg, folder, begin)
        return
    job = read_job(cfg)
    with make_drafts(folder) as (draft, aside):
        log.info("Writing %s in %s", job.order.format, job.order.precision)
        made = make_file(job, cfg.task.max_drop, draft, aside)
        certificate = judge_file(cfg, job, made, folder)
        metrics = {} if certificate is None else certificate.metrics
        fault = None if certificate is None else certificate.fault(job.order.precision, cfg.task.max_drop)
        engine = finish_kit(job, made, metrics)
        protocol = job.protocol | describe_file(engine) | {"rejected": fault}
        name_files(draft, folder, "model" if fault is None else "model.rejected")
    write_results(folder, "export", cfg.name, metrics, protocol, time.monotonic() - begin)
    write_report(folder)
    if fault is not None:
        file = folder / f"model.rejected{made.path.suffix}"
        raise ICNetError(f"{file} {fault}; the frames that differ most: report.html")
    log.info("%s; report: %s", say_end(metrics, folder / made.path.name), folder / "report.html")


def export_repository(cfg: DictConfig, folder: Path, begin: float) -> None:
    """The checkpoint itself in the hub's layout: nothing is traced, and nothing lost."""
    with make_drafts(folder) as (draft, _):
        metrics, protocol = write_repository(cfg, draft)
        name_files(draft, folder, "model")
    write_results(folder, "export", cfg.name, metrics, protocol, time.monotonic() - begin)
    log.info("For the hub, in %s: README.md, its picture, config.json and %s", folder, protocol["file"])


def make_file(job: Job, max_drop: float, draft: Path, aside: Path) -> Made:
    """Write the model into `draft`; by way of a float one in `aside` where it is quantised."""
    if job.material is None:
        return Made(write_file(job.source, job.order, draft))
    plain = open_exported(write_file(job.source, replace(job.order, precision="fp32"), aside))
    path = draft / plain.path.name
    quantised = quantise(plain, job.order.writer, job.material, max_drop, path)
    job.order.writer.stamp(path, describe(job.source, job.order, quantised))
    return Made(path, plain, quantised)


def judge_file(cfg: DictConfig, job: Job, made: Made, folder: Path) -> Certificate | None:
    """Compare the file with its checkpoint, and show where they differ; None where no frames are given."""
    if job.frames is None:
        return None
    log.info("Comparing the file with its checkpoint on %d frames", len(job.frames))
    engine, truth = open_exported(made.path), job.trained.engine
    certificate = certify(build_evaluator(cfg, folder), engine, truth, made.plain, job.frames, cfg.data.num_workers)
    draw_differences(folder, certificate, job.frames, engine, truth)
    return certificate


def finish_kit(job: Job, made: Made, metrics: Mapping[str, Any]) -> ExportedEngine:
    """Let the file say what was found, and lay beside it what belongs to it; the engine of the finished file."""
    proof = {"metrics": metrics, "protocol": job.protocol} if metrics else NOT_CERTIFIED
    facts = describe(job.source, job.order, made.quantised, proof)
    job.order.writer.stamp(made.path, facts)
    engine = open_exported(made.path)
    write_kit(made.path.parent, engine, facts, choose_golden(job.frames, job.order.size or job.source.frame_size))
    if job.runtime is not None:
        write_page(made.path.parent, job.runtime)
    return engine


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


def describe_file(engine: ExportedEngine) -> dict[str, Any]:
    """The part of the protocol about the file; it has the checkpoint's parameters and exit."""
    facts, path = engine.facts, engine.path
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
