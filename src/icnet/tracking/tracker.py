"""What W&B and TensorBoard show beside curves: examples at each validation, the results at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn

from icnet.data.labels import ClassTable
from icnet.data.subset import spread
from icnet.training.module import SegmentationModule
from icnet.visualize.rows import Row

LONGEST_SIDE = 1024  # of an example, in pixels: a frame of Cityscapes at half size shows what there is to see


class RunResult(NamedTuple):
    """What a run ends with.

    metrics, protocol: those of results.json.
    matrix: confusion matrix by (label, prediction); None for a network that tells no pixels apart.
    checkpoint: the best one.
    """

    metrics: Mapping[str, Any]
    protocol: Mapping[str, Any]
    matrix: npt.NDArray[np.int64] | None
    checkpoint: Path

    @property
    def class_names(self) -> list[str]:
        names: list[str] = self.protocol["classes"]["names"]
        return names

    @property
    def best(self) -> dict[str, float]:
        """best/miou, best/iou/<class>, ...: the metrics that are a number."""
        return {f"best/{name}": value for name, value in _flat(self.metrics)}


def _flat(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{key}", inner) for key, inner in _flat(value))
        elif isinstance(value, int | float):
            yield name, value


@runtime_checkable
class Tracker(Protocol):
    """A logger of Lightning's that shows more than curves. Steps are `trainer.global_step`."""

    def go_on(self, step: int) -> None:
        """The run starts at 0, or goes on from a checkpoint of this step; what was tracked at later ones comes once more."""

    def log_rows(self, rows: Sequence[Row], classes: ClassTable, step: int) -> None:
        """Examples of a validation."""

    def log_result(self, result: RunResult, step: int) -> None:
        """The last call of a run that came to its end."""


class Examples(Callback):
    """At each validation hands the same few frames, with label and prediction, to the loggers that show them.

    Frames are spread evenly over the split; in a run on several devices over the share of the first process.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count
        self._rows: list[Row] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            for tracker in trackers_of(trainer):
                tracker.go_on(trainer.global_step)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx in self._chosen(trainer, pl_module):
            name = name_of(trainer, batch_idx)
            image, label, prediction = (t[0].to(torch.uint8).cpu().numpy() for t in (*batch, outputs))
            self._rows.append(Row(image, label, prediction, name).shrink(LONGEST_SIDE))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rows, self._rows = self._rows, []
        if rows and isinstance(pl_module, SegmentationModule):
            for tracker in trackers_of(trainer):
                tracker.log_rows(rows, pl_module.classes, trainer.global_step)

    def _chosen(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> list[int]:
        """Numbers of the batches, each of one frame, that are shown; none where nobody looks."""
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking and trainer.is_global_zero
        if not (fitting and isinstance(pl_module, SegmentationModule) and trackers_of(trainer)):
            return []
        return spread(int(trainer.num_val_batches[0]), self.count)


def trackers_of(trainer: pl.Trainer) -> list[Tracker]:
    """The loggers that show more than curves."""
    return [logger for logger in trainer.loggers if isinstance(logger, Tracker)]


def name_of(trainer: pl.Trainer, batch_idx: int) -> str:
    """The name of the frame that a batch of the validation holds."""
    loader = trainer.val_dataloaders
    assert loader is not None
    return str(loader.dataset.samples[list(loader.sampler)[batch_idx]].image.stem)
