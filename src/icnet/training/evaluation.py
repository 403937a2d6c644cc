"""The LightningModule that judges: it reads every frame of a split once and feeds all metrics, on any number of devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from icnet.data.dataset import EvalSampler
from icnet.data.judged import JudgedDataset, JudgedFrame
from icnet.data.workers import naming_deaths
from icnet.engines.engine import Engine
from icnet.engines.views import probabilities
from icnet.errors import DataError, ICNetError
from icnet.metrics.boundary import BoundaryResult, BoundaryScores
from icnet.metrics.disagreement import Disagreements, Region
from icnet.metrics.instances import InstanceIoU, InstanceScores
from icnet.metrics.per_image import PerImageConfusion, PerImageDifference
from icnet.metrics.segments import ConfusionByDistance, CountsBySize
from icnet.training.loaders import build_loader, place_of

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Evaluation:
    """What was counted.

    matrices: (images, classes, classes) confusion matrices, in the order of the data set.
    others: the same of each further engine, by its name.
    differing: of each of them (images, 2), the pixels that it gives another class than the main engine, and all pixels.
    by_size: (sizes, 3, classes) as `CountsBySize`; by_distance: (distances, classes, classes) as `ConfusionByDistance`.
    instances: None where the data set has no instances.
    queue: the regions whose labels are doubted most, of all frames; none where nobody asked.
    """

    matrices: Tensor
    others: Mapping[str, Tensor]
    differing: Mapping[str, Tensor]
    boundary: BoundaryResult
    by_size: Tensor
    by_distance: Tensor
    instances: InstanceScores | None
    queue: Sequence[Region] = ()

    @property
    def matrix(self) -> Tensor:
        """The one confusion matrix of the whole split."""
        return self.matrices.sum(dim=0)


def judge(
    trainer: pl.Trainer,
    main: Engine | None,
    others: Mapping[str, Engine],
    frames: JudgedDataset,
    num_workers: int | None = None,
    queue: Disagreements | None = None,
) -> Evaluation:
    """Read every frame once, on all processes of the trainer together, and score what the engines make of it.

    queue: filled on the way, of the main engine, which must have scores.
    Too little memory ends it with what to make smaller.
    """
    module = EvaluationModule(main, others, frames, queue)
    try:
        naming_deaths(
            lambda: trainer.test(module, FramesToJudge(frames, num_workers), verbose=False),
            lambda: [frames.frames.board],
        )
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ICNetError(
            "out of memory at the size of the frames: judge them smaller (task.size), at fewer scales (task.scales), or by "
            "a sliding window (task.window)"
        ) from error
    return module.result


def is_out_of_memory(error: RuntimeError) -> bool:
    """torch's own error has a type on GPUs alone."""
    return any(sign in str(error) for sign in _OUT_OF_MEMORY)


class EvaluationModule(pl.LightningModule):
    """Scores label maps.

    main: what is judged; None: the frames are label maps already.
    others: scored by their confusion matrices alone (other exits, another checkpoint).
    frames: what is judged; objects are scored where all of them have instances.
    """

    def __init__(
        self,
        main: Engine | None,
        others: Mapping[str, Engine],
        frames: JudgedDataset,
        queue: Disagreements | None = None,
    ) -> None:
        super().__init__()
        self.main, self.others, self.frames, self.queue = main, dict(others), frames, queue
        classes = frames.frames.classes
        count = len(classes)
        self.confusion = PerImageConfusion(count)
        self.other_confusions = {name: PerImageConfusion(count) for name in others}
        self.differences = {name: PerImageDifference() for name in others}
        self.boundary = BoundaryScores(count)
        self.by_size = CountsBySize(count)
        self.by_distance = ConfusionByDistance(count)
        self.instances = InstanceIoU(classes) if classes.instance_sizes and frames.have_instances() else None
        # Lightning brings metrics to the device
        self.parts = nn.ModuleList([*self.other_confusions.values(), *self.differences.values()])

    def on_test_start(self) -> None:
        """Engines need be no modules; they stay on the device afterwards, where what is timed next is timed."""
        self.main = None if self.main is None else self.main.to(self.device)
        self.others = {name: engine.to(self.device) for name, engine in self.others.items()}

    def test_step(self, batch: JudgedFrame, batch_idx: int) -> None:
        place = batch_idx * self.trainer.world_size + self.trainer.global_rank  # as EvalSampler deals them out
        index = torch.tensor([place])
        label_map = self._judge(batch, place)
        self.confusion.update(label_map, batch.label, index)
        for name, engine in self.others.items():
            other = self._read(engine.label_maps, batch, place)
            self.other_confusions[name].update(other, batch.label, index)
            self.differences[name].update(label_map, other, place)
        for metric in (self.boundary, self.by_size, self.by_distance):
            metric.update(label_map, batch.label)
        if self.instances is not None:
            self.instances.update(label_map, batch.label, batch.instances)

    def _judge(self, batch: JudgedFrame, place: int) -> Tensor:
        """The label map that is scored."""
        main = self.main
        if main is None:
            return batch.image
        if self.queue is None:
            return self._read(main.label_maps, batch, place)
        shares = self._read(lambda frames: probabilities(main, frames), batch, place)
        label_map = shares.max(dim=1).indices.to(torch.uint8)
        self.queue.update(label_map, batch.label, shares, place)
        return label_map

    def _read(self, read: Callable[[Tensor], Tensor], batch: JudgedFrame, place: int) -> Tensor:
        try:
            return read(batch.image)
        except DataError as error:
            raise DataError(f"{self.frames.frames.samples[place].image}: {error}") from error

    def on_test_epoch_end(self) -> None:
        self.result = Evaluation(
            self.confusion.compute(),
            {name: confusion.compute() for name, confusion in self.other_confusions.items()},
            {name: difference.compute() for name, difference in self.differences.items()},
            self.boundary.compute(),
            self.by_size.compute(),
            self.by_distance.compute(),
            self.instances.compute() if self.instances is not None else None,
            self._gather_queue(),
        )

    def _gather_queue(self) -> list[Region]:
        """Of all processes."""
        if self.queue is None:
            return []
        found: list[list[Region]] = [[]] * self.trainer.world_size
        if len(found) > 1:
            torch.distributed.all_gather_object(found, self.queue.best())
            for rank, regions in enumerate(found):
                self.queue.add(regions if rank != self.trainer.global_rank else ())
        return self.queue.best()


class FramesToJudge(pl.LightningDataModule):
    """Deals the frames out to the processes, once they are there."""

    def __init__(self, frames: JudgedDataset, num_workers: int | None) -> None:
        super().__init__()
        self.frames, self.num_workers = frames, num_workers

    def test_dataloader(self) -> DataLoader[JudgedFrame]:
        sampler = EvalSampler(len(self.frames), *place_of(self.trainer))
        return build_loader(self.frames, sampler, 1, self.num_workers, self.trainer)
