"""Whether an exported file gives what its checkpoint gives: both on the same frames, scored like any evaluation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from icnet.data.judged import JudgedDataset
from icnet.deploy.export import LEAST_AGREEMENT
from icnet.deploy.speed import time_images
from icnet.engines.engine import Engine
from icnet.metrics.confusion import summarize
from icnet.predict import Predictor
from icnet.tasks.evaluate.scores import summarize_difference
from icnet.training.evaluation import judge
from icnet.visualize.examples import write_examples
from icnet.visualize.rows import Row

_CHECKPOINT, _PLAIN = "checkpoint", "plain"
_SHOWN = 6  # frames of the report, those that differ most


@dataclass(frozen=True)
class Certificate:
    """metrics: as in results.json. differing: share of pixels of each frame at which file and checkpoint differ."""

    metrics: dict[str, Any]
    differing: Tensor

    @property
    def worst(self) -> list[int]:
        """The frames that differ most, the most differing first."""
        order = self.differing.argsort(descending=True, stable=True)[:_SHOWN]
        return [int(i) for i in order if self.differing[i] > 0]

    def fault(self, precision: str, max_drop: float) -> str | None:
        """Why the file cannot have its name; None where it can."""
        drop, agreement = self.metrics["drop"], self.metrics["agreement"]
        if drop > max_drop:
            lost = ", ".join(f"{name} {100 * loss:.1f}" for name, loss in most_lost(self.metrics))
            return f"loses {100 * drop:.2f} points of mIoU, more than task.max_drop={max_drop} allows (most: {lost})"
        if precision == "fp32" and agreement < LEAST_AGREEMENT[precision]:
            return (
                f"agrees with its checkpoint on {100 * agreement:.3f} % of the pixels alone, and fp32 must on 99.99 %"
            )
        return None


def certify(
    trainer: pl.Trainer,
    engine: Engine,
    truth: Engine,
    plain: Engine | None,
    frames: JudgedDataset,
    num_workers: int | None,
) -> Certificate:
    """engine: of the file. truth: of the checkpoint, in fp32. plain: of the file in fp32, timed where there is one."""
    result = judge(trainer, engine, {_CHECKPOINT: truth}, frames, num_workers)
    differing, total = result.differing[_CHECKPOINT].double().unbind(dim=1)
    classes = frames.frames.classes.names
    ours, theirs = summarize(result.matrix, classes), summarize(result.others[_CHECKPOINT].sum(dim=0), classes)
    other = summarize_difference(result.others[_CHECKPOINT], result.matrices, _CHECKPOINT)
    timed = {"file": engine, _CHECKPOINT: truth} | ({} if plain is None else {_PLAIN: plain})
    medians = {name: statistics.median(series) for name, series in time_images(timed, frames[0].image[None]).items()}
    share = differing / total
    return Certificate(
        {
            "miou": ours["miou"],
            "checkpoint_miou": theirs["miou"],
            "drop": other["difference"],
            "drop_interval": other["difference_interval"],
            "agreement": 1 - float(differing.sum() / total.sum()),
            "iou": ours["iou"],
            "checkpoint_iou": theirs["iou"],
            "median_ms": medians["file"],
            "checkpoint_median_ms": medians[_CHECKPOINT],
            **({} if plain is None else {"float_ms": medians[_PLAIN]}),
            "largest_gap": measure_gap(engine, truth, frames[int(share.argmax())].image),
        },
        share,
    )


def measure_gap(engine: Engine, truth: Engine, frame: Tensor) -> float:
    """How far apart the two classes that file and checkpoint choose are in the checkpoint's scores, at most; 0 where they
    never differ. Rounding alone changes ties: scores less than 1e-4 apart."""
    frames = frame[None].to(truth.device)
    ours, theirs, scores = engine.label_maps(frames), truth.label_maps(frames), truth.scores(frames)
    chosen = [scores.gather(1, maps[:, None].long())[:, 0] for maps in (theirs, ours)]
    return float((chosen[0] - chosen[1]).abs().max())


def draw_differences(
    folder: Path, certificate: Certificate, frames: JudgedDataset, engine: Engine, truth: Engine
) -> None:
    """The frames that differ most, in folder/examples: the checkpoint's label map in the place of the label."""
    file, checkpoint = Predictor(engine), Predictor(truth)
    rows = []
    for index in certificate.worst:
        image = frames[index].image.numpy()
        rows.append(Row(image, checkpoint(image), file(image), frames.frames.samples[index].image.stem))
    write_examples(folder, {"differing": rows} if rows else {}, frames.frames.classes)


def most_lost(metrics: Mapping[str, Any], count: int = 3) -> list[tuple[str, float]]:
    """The classes whose IoU fell most below the checkpoint's, and by how much."""
    pairs = ((name, metrics["checkpoint_iou"][name], iou) for name, iou in metrics["iou"].items())
    lost = [(name, before - iou) for name, before, iou in pairs if before is not None and iou is not None]
    return sorted((pair for pair in lost if pair[1] > 0), key=lambda pair: -pair[1])[:count]
