"""Frames that nobody labelled: they join the labelled ones in each batch, for a teacher to answer for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from icnet.data.check.duplicates import find_copies
from icnet.data.dataset import Draw, SegmentationDataset, TrainSampler
from icnet.data.images import read_image, read_pair
from icnet.data.judged import is_predicted, match_predictions
from icnet.data.labels import UNLABELLED
from icnet.data.samples import Sample, is_image
from icnet.data.walk import walk
from icnet.data.windows import Source
from icnet.data.workers import Board
from icnet.errors import ConfigError, DataError

log = logging.getLogger(__name__)


class JoinedDataset(SegmentationDataset):
    """The labelled frames of training, and numbered behind them the unlabelled ones, which are augmented alike.

    An unlabelled frame is `UNLABELLED`, or has the label map that another program wrote; padding is ignored as ever. It is
    read from its file, also where the labelled ones are packed. The length is that of the labelled ones.

    label_maps: the folder of label maps, found as `match_predictions` does; None: a network will answer.
    """

    def __init__(self, labelled: SegmentationDataset, images: Sequence[Path], label_maps: Path | None = None) -> None:
        super().__init__(
            labelled.samples, labelled.classes, labelled.augment, labelled.seed, labelled.packed, labelled.bit_depth
        )
        self.images = list(images)
        self.label_maps = None if label_maps is None else match_predictions(images, label_maps)
        self.board = Board([*labelled.board.files, *self.images])

    def read(self, index: int) -> tuple[Source, Source]:
        place = index - len(self.samples)
        if place < 0:
            return super().read(index)
        if self.label_maps is None:
            image = read_image(self.images[place], self.bit_depth)
            return image, np.full(image.shape[:2], UNLABELLED, np.uint8)
        path = self.label_maps[place]
        return read_pair(self.images[place], path, self.classes, is_predicted(path) or None, self.bit_depth)


class JoinedSampler(TrainSampler):
    """Behind the labelled samples of each batch `joined` unlabelled ones, which make no epoch longer.

    These come in passes of their own, each in a new order, which go on from one epoch to the next: a step gets the same ones
    on any number of processes, and after a stop. The pass stands for the epoch in what decides their augmentation.

    order: of the labelled samples. unlabelled: how many others there are, numbered behind them.
    """

    def __init__(self, order: TrainSampler, unlabelled: int, joined: int) -> None:
        super().__init__(
            order.length, order.batch_size, order.seed, order.rank, order.world_size, order.start, order.weights
        )
        self.unlabelled, self.joined = unlabelled, joined

    def __len__(self) -> int:
        return self.steps * (self.batch_size + self.joined)

    def __iter__(self) -> Iterator[Draw]:
        labelled = super().__iter__()
        for batch in self.batches:
            yield from islice(labelled, self.batch_size)
            done = self.samples_after(self.epoch, batch) // self.batch_size  # batches of one process, in this epoch
            before = self.epoch * (self.length // self.batch_size) + done + self.rank
            for number in range(before * self.joined, (before + 1) * self.joined):
                turn, place = divmod(number, self.unlabelled)
                yield Draw(turn, self.length + int(_order(self.seed, turn, self.unlabelled)[place]))


@lru_cache(maxsize=2)
def _order(seed: int, turn: int, length: int) -> npt.NDArray[np.int64]:
    """Of a pass over the unlabelled frames; with a third number, or they would be drawn like an epoch of labelled ones."""
    return np.random.default_rng([seed, turn, 1]).permutation(length)


def find_unlabelled(folder: Path, training: Sequence[Sample], validation: Sequence[Sample]) -> list[Path]:
    """The images below a folder, sorted, without labelled frames of the training and label maps of any.

    DataError where one is a frame of the validation, byte for byte and under any name, or none is left.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: data.unlabelled takes a folder of frames")
    labels = {sample.label for sample in (*training, *validation)}
    images = sorted(path for path in walk(folder) if is_image(path) and path not in labels)
    if leaks := find_copies(images, [sample.image for sample in validation]):
        image, original = next(iter(leaks.items()))
        raise DataError(
            f"data.unlabelled has {image}, which is the validation frame {original} ({len(leaks)} such frames): a network "
            "that has seen it is not tested by it; take them out of the folder"
        )
    labelled = find_copies(images, [sample.image for sample in training])
    unlabelled = [image for image in images if image not in labelled]
    if not unlabelled:
        raise DataError(f"data.unlabelled={folder} has no frame beside those with labels: put frames there")
    log.info("%d unlabelled frames from %s, beside %d with labels", len(unlabelled), folder, len(labelled))
    return unlabelled


def count_joined(batch_size: int, share: float) -> int:
    """The unlabelled frames of a batch; ConfigError where it has none, or none but them."""
    joined = round(batch_size * share)
    if not 0 < joined < batch_size:
        raise ConfigError(
            f"data.unlabelled_share is {share}: {joined} frames of a batch of {batch_size}, which leaves none "
            f"{'without' if joined <= 0 else 'with'} labels; give another share or a larger data.batch_size"
        )
    return joined
