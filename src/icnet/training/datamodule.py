"""The LightningDataModule: from a layout on disk to batches of uint8 frames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from icnet.data.bit_depth import find_bit_depth
from icnet.data.class_weights import count_pixels, weigh_frames
from icnet.data.dataset import EvalSampler, Frame, Place, SegmentationDataset, TrainSampler
from icnet.data.division import Division
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.named_values import read_values
from icnet.data.pack.read import PackedFrames, open_packs
from icnet.data.samples import Layout, Sample, split_names
from icnet.data.subset import take_share
from icnet.data.transforms import Augment
from icnet.data.unlabelled import JoinedDataset, JoinedSampler, count_joined, find_unlabelled
from icnet.errors import ConfigError, DataError
from icnet.model.icnet import SMALLEST_TRAINING
from icnet.model.preprocess import WHOLE_DEPTH
from icnet.training.loaders import build_loader, check_loading, place_of

log = logging.getLogger(__name__)


class ResumableDataModule(pl.LightningDataModule):
    """Writes its place in the data into checkpoints, and goes on from there.

    train_set; batch_size, per device; joined, samples of a batch that are not of this order; seed, of the order; weights, of
    the samples: set by the subclass.
    """

    train_set: Sized
    batch_size: int
    joined = 0
    seed: int
    start = Place(0, 0)
    weights: npt.NDArray[np.float64] | None = None

    def state_dict(self) -> dict[str, Any]:
        """After the last batch of an epoch, all its samples count as seen: those too few for a batch are left out."""
        assert self.trainer is not None
        assert self.trainer.train_dataloader is not None
        loop = self.trainer.fit_loop
        batches = loop.epoch_loop.batch_progress.current.ready
        epoch = loop.epoch_progress.current.ready - 1  # the one that began last
        is_over = batches >= self.trainer.num_training_batches
        sampler = self.trainer.train_dataloader.sampler
        return Place(epoch, sampler.length if is_over else sampler.samples_after(epoch, batches))._asdict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.start = Place(**state_dict)

    def build_sampler(self) -> TrainSampler:
        """The order of the training samples, from where a resumed run goes on."""
        place, batch_size = place_of(self.trainer), self.batch_size - self.joined
        return TrainSampler(len(self.train_set), batch_size, self.seed, *place, self.start, self.weights)


class SegmentationDataModule(ResumableDataModule):
    """Frames for training, augmented and cropped, and for validation, whole and at native size.

    name: of the data set, for results and tables.
    root: its folder; layout: root -> Layout.
    classes: what the labels mean; values: the same by the values of the label files, counts where it is given.
    augment: crop_size -> Augment.
    crop_size: (height, width) of a training sample.
    batch_size: per device, in training; validation takes one frame after the other, as they may differ in size.
    num_workers: processes that load; None chooses from the machine.
    train_split, val_split: one split or several.
    val_fraction, group, holdout, folds, fold: which frames validate instead of val_split: see Division.
    train_share: this share of the training frames (0..1) is trained on, see `take_share`; for learning curves.
    split: what is evaluated, one split or several; None: what training validates on.
    packed: the folder in which packs of splits are looked for, and taken where they fit; None: the files are read.
    unlabelled: a folder of frames without labels, which join the others in training; null: none.
    unlabelled_share: of each batch.
    label_maps: a folder of label maps for these frames; None: a teacher answers for them.
    sampler: "rare": frames that hold rare classes come more often in training; None: each comes once an epoch.
    bit_depth: how many bits 16-bit images use; None: found over the training frames.
    table: how many frames of each part are looked at for the table before a training; 0: there is none.
    prepare: called with root before the first use; generates data where it is generated.
    seed: of order and augmentation.
    mean, std: of the channels red, green, blue on the scale 0..1, subtracted and divided by on the device; None: those that
        the trunk's published weights were trained with.
    """

    train_set: SegmentationDataset

    def __init__(
        self,
        name: str,
        root: str,
        layout: Callable[[Path], Layout],
        classes: ClassTable,
        augment: Callable[[Sequence[int]], Augment],
        crop_size: Sequence[int],
        batch_size: int,
        num_workers: int | None = None,
        train_split: str | Sequence[str] = "train",
        val_split: str | Sequence[str] = "val",
        val_fraction: float | None = None,
        group: str | None = None,
        holdout: str | Sequence[str] | None = None,
        folds: int | None = None,
        fold: int = 0,
        train_share: float = 1.0,
        split: str | Sequence[str] | None = None,
        packed: str | None = None,
        values: Mapping[int, str] | None = None,
        unlabelled: str | None = None,
        unlabelled_share: float = 0.5,
        label_maps: str | None = None,
        sampler: str | None = None,
        bit_depth: int | None = None,
        table: int = 0,
        prepare: Callable[[Path], object] | None = None,
        seed: int = 0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_loading(batch_size, num_workers)
        if batch_size == 1 and min(crop_size) < SMALLEST_TRAINING:
            raise ConfigError(
                f"data.crop_size is {list(crop_size)}: with data.batch_size=1 each side must be at least 64"
            )
        if not 0 < train_share <= 1:
            raise ConfigError(f"data.train_share is {train_share}: give a share above 0, up to 1")
        self.name, self.root = name, Path(root)
        self.classes = classes if values is None else read_values(values, classes.form)
        self.layout = layout(self.root)
        self.augment = augment(crop_size)
        self.batch_size, self.num_workers = batch_size, num_workers
        train, val, aside = map(split_names, (train_split, val_split, holdout or []))
        self.division = Division(train, val, val_fraction, group, aside, folds, fold)
        self.train_share, self.seed = train_share, seed
        self.split = None if split is None else split_names(split)
        _check_reading(sampler, bit_depth, table)
        self.sampler, self.bit_depth, self.table = sampler, bit_depth, table
        self.packed = None if packed is None else Path(packed)
        self._packs: dict[str, PackedFrames | None] = {}
        self.unlabelled = None if unlabelled is None else Path(unlabelled)
        self.label_maps = None if label_maps is None else Path(label_maps)
        self.joined = 0 if unlabelled is None else count_joined(batch_size, unlabelled_share)
        self._images: list[Path] = []  # looked for and said once, as packs are
        self.prepare, self.mean, self.std = prepare, mean, std

    def prepare_data(self) -> None:
        if self.prepare is not None:
            self.prepare(self.root)

    def setup(self, stage: str | None = None) -> None:
        train, val = self.find_samples()
        depth = self.bit_depth = self.bit_depth or find_bit_depth([sample.image for sample in train])
        train = take_share(train, self.train_share)
        if self.sampler == "rare" and self.weights is None:
            self.weights = weigh_frames(count_pixels(train, self.classes))
        train_packs = self._find_packs("Training", self.division.divided, train, depth)
        val_packs = self._find_packs("Validation", self.division.packed_val, val, depth)
        self.train_set = SegmentationDataset(train, self.classes, self.augment, self.seed, train_packs, depth)
        if self.unlabelled is not None:
            self._images = self._images or find_unlabelled(self.unlabelled, train, val)
            self.train_set = JoinedDataset(self.train_set, self._images, self.label_maps)
        self.val_set = SegmentationDataset(val, self.classes, packed=val_packs, bit_depth=depth)

    def find_samples(self) -> tuple[list[Sample], list[Sample]]:
        """The frames of training and of validation."""
        return self.division.divide(self.layout)

    def find_judged(self) -> list[Sample]:
        """The frames of `split`: "train" and "val" name the parts where validation is cut from the training splits."""
        if self.split is None:
            return self.division.find_validation(self.layout)
        return self.division.find(self.layout, self.split)

    @property
    def judged_split(self) -> str:
        """What `find_judged` reads, in words."""
        own = self.split is None or (self.division.cuts and self.split == ["val"])
        return self.division.words if own else "+".join(self.split or [])

    def _find_packs(
        self, what: str, splits: Sequence[str], samples: Sequence[Sample], depth: int
    ) -> PackedFrames | None:
        """Looked for and said once: Lightning sets up before each of its loops."""
        if self.packed is not None and what not in self._packs:
            try:
                packs = open_packs([self.packed / split for split in splits], samples, self.classes, depth)
                if packs is not None:
                    log.info("%s reads packed frames from %s", what, self.packed)
            except DataError as error:
                packs = None
                log.info("%s reads the files, not the packed frames: %s", what, error)
            self._packs[what] = packs
        return self._packs.get(what)

    def build_sampler(self) -> TrainSampler:
        labelled = super().build_sampler()
        return JoinedSampler(labelled, len(self._images), self.joined) if self.joined else labelled

    def train_dataloader(self) -> DataLoader[Frame]:
        return build_loader(self.train_set, self.build_sampler(), self.batch_size, self.num_workers, self.trainer)

    def val_dataloader(self) -> DataLoader[Frame]:
        """Lightning asks for it before it trains."""
        if not any((label[:, :] != IGNORE).any() for _, label in map(self.val_set.read, range(len(self.val_set)))):
            raise DataError(
                f"{self.division.words}: no validation frame has a labelled pixel; check data.val_split and "
                "data.classes.ignored_ids"
            )
        sampler = EvalSampler(len(self.val_set), *place_of(self.trainer))
        return build_loader(self.val_set, sampler, 1, self.num_workers, self.trainer)


def _check_reading(sampler: str | None, bit_depth: int | None, table: int) -> None:
    if sampler not in (None, "rare"):
        raise ConfigError(f"data.sampler is {sampler!r}: give rare, or null")
    if bit_depth is not None and not 8 <= bit_depth <= WHOLE_DEPTH:
        raise ConfigError(f"data.bit_depth is {bit_depth}: give 8 to {WHOLE_DEPTH}, or null")
    if table < 0:
        raise ConfigError(f"data.table is {table}: give the number of frames to look at, or 0")
