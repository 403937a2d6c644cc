"""Samples of a split as a torch Dataset, and the order in which training reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from icnet.data.images import read_pair
from icnet.data.labels import ClassTable
from icnet.data.pack.read import PackedFrames
from icnet.data.samples import Sample
from icnet.data.transforms import Augment
from icnet.data.windows import Source
from icnet.data.workers import Board
from icnet.errors import DataError
from icnet.model.icnet import SMALLEST_INFERENCE
from icnet.model.preprocess import WHOLE_DEPTH


class Frame(NamedTuple):
    """A frame, or a batch of them: image (..., H, W, 3) uint8, red first; label (..., H, W) uint8 train ids."""

    image: Tensor
    label: Tensor


class Draw(NamedTuple):
    """Which sample, and what decides its augmentation: the epoch, and how often the sample came in it before."""

    epoch: int
    sample: int
    before: int = 0


class SegmentationDataset(Dataset[Frame]):
    """The frames of a split, augmented when `augment` is given, at native size otherwise.

    packed: these frames decoded; None reads the files. bit_depth: as `read_image` says.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: ClassTable,
        augment: Augment | None = None,
        seed: int = 0,
        packed: PackedFrames | None = None,
        bit_depth: int = WHOLE_DEPTH,
    ) -> None:
        self.samples = list(samples)
        self.classes = classes
        self.augment = augment
        self.seed = seed
        self.packed, self.bit_depth = packed, bit_depth
        self.board = Board([sample.image for sample in self.samples])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, draw: Draw | int) -> Frame:
        epoch, index, before = draw if isinstance(draw, tuple) else Draw(0, draw)
        self.board.write(index)
        image, label = self.read(index)
        if self.augment is not None:
            parts = self.augment(image, label, (self.seed, epoch, index, *([before] if before else [])))
        else:
            height, width = label.shape
            if min(height, width) < SMALLEST_INFERENCE:
                raise DataError(
                    f"{self.samples[index].image} is {height}x{width}: ICNet needs at least 32x32; leave it out"
                )
            parts = image[:, :].copy(), label[:, :].copy()
        return Frame(*map(torch.from_numpy, parts))

    def read(self, index: int) -> tuple[Source, Source]:
        """Image and label of a sample, whole, or what its windows can be cut from."""
        if self.packed is not None:
            return self.packed.read(index)
        return read_pair(*self.samples[index], self.classes, bit_depth=self.bit_depth)


class Place(NamedTuple):
    """How far training has come: the epoch, and the samples of it that all processes together have seen."""

    epoch: int
    samples: int


class TrainSampler(Sampler[Draw]):
    """A new order of all samples each epoch; of every step's global batch each process takes its consecutive share.

    So 2 processes with batch 2 see in each step the samples that 1 process with batch 4 sees. The last, incomplete global
    batch is left out.

    start: where a resumed run goes on, with the same number of processes or another one. Every sample of its epoch is seen
        once, before or after: but those that are left out at its end, fewer than a global batch.
    weights: how often each sample comes, in proportion; None: each once. An epoch is as long either way.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        start: Place = Place(0, 0),  # noqa: B008  immutable
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.weights = weights
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.batch_of_all = batch_size * world_size
        self.start, self.epoch = start, start.epoch
        if self.steps == 0:
            raise DataError(
                f"the training split has {length} images, but one step takes {batch_size} x {world_size} "
                "(data.batch_size x processes): lower data.batch_size or add images"
            )

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.length // self.batch_of_all

    @property
    def begun(self) -> int:
        """Batches that count as done in the epoch of `start`: with those that are left they make `steps`."""
        return self.steps - (self.length - self.start.samples) // self.batch_of_all

    @property
    def batches(self) -> range:
        """The numbers of those that are left of this epoch."""
        return range(self.begun if self.epoch == self.start.epoch else 0, self.steps)

    def samples_after(self, epoch: int, batches: int) -> int:
        """How many samples of an epoch all processes together have seen when so many batches of it count as done."""
        if epoch != self.start.epoch:
            return batches * self.batch_of_all
        return self.start.samples + (batches - self.begun) * self.batch_of_all

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.length if self.weights is None else draw_weighted(self.weights, rng))
        before = _count_before(order)
        for batch in self.batches:
            first = self.samples_after(self.epoch, batch) + self.rank * self.batch_size
            for place in range(first, first + self.batch_size):
                yield Draw(self.epoch, int(order[place]), before[place])


def draw_weighted(weights: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """As many samples as there are weights, in order; each as often as its weight says, rounded down or up."""
    ends = np.cumsum(weights) * (len(weights) / weights.sum())
    places = np.arange(len(weights)) + rng.random()
    return np.minimum(np.searchsorted(ends, places, side="right"), len(weights) - 1)


def _count_before(order: npt.NDArray[np.int64]) -> list[int]:
    """For each place how often its sample came before."""
    seen = Counter[int]()
    before = []
    for sample in order.tolist():
        before.append(seen[sample])
        seen[sample] += 1
    return before


class EvalSampler(Sampler[int]):
    """Every sample exactly once over all processes: no padding, the shares may differ by one."""

    def __init__(self, length: int, rank: int = 0, world_size: int = 1) -> None:
        if length < world_size:
            raise DataError(
                f"the validation split has {length} images for {world_size} processes: lower trainer.devices"
            )
        self.indices = range(rank, length, world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
