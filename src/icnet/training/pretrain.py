"""Pre-training of the trunk as a classifier: its module and its data module."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from icnet.data.dataset import EvalSampler
from icnet.data.imagenet import ImageFolder, Picture
from icnet.errors import DataError
from icnet.model.classifier import BackboneClassifier
from icnet.model.preprocess import Normalize
from icnet.training.datamodule import ResumableDataModule
from icnet.training.loaders import build_loader, check_loading, place_of
from icnet.training.module import OptimizerFactory, SchedulerFactory, TrainedModule


class ImageNetDataModule(ResumableDataModule):
    """Pictures in ImageNet's layout, root/{train,val}/CLASS/IMAGE.

    crop_size: side of the square that the network sees. batch_size: per device. num_workers: None chooses.
    """

    train_set: ImageFolder

    def __init__(
        self,
        name: str,
        root: str,
        crop_size: int = 224,
        batch_size: int = 32,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_loading(batch_size, num_workers)
        self.name, self.root, self.crop_size = name, Path(root), crop_size
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed

    def setup(self, stage: str | None = None) -> None:
        self.train_set = ImageFolder(self.root, "train", self.crop_size, train=True, seed=self.seed)
        self.val_set = ImageFolder(self.root, "val", self.crop_size, train=False)
        if self.train_set.classes != self.val_set.classes:
            differing = sorted({*self.train_set.classes} ^ {*self.val_set.classes})
            raise DataError(
                f"{self.root}: train and val have other classes ({', '.join(differing[:5])}): make their folders agree"
            )

    @property
    def num_classes(self) -> int:
        return len(self.train_set.classes)

    def train_dataloader(self) -> DataLoader[Picture]:
        return build_loader(self.train_set, self.build_sampler(), self.batch_size, self.num_workers, self.trainer)

    def val_dataloader(self) -> DataLoader[Picture]:
        sampler = EvalSampler(len(self.val_set), *place_of(self.trainer))
        return build_loader(self.val_set, sampler, self.batch_size, self.num_workers, self.trainer)


class ClassificationModule(TrainedModule):
    """Trains a BackboneClassifier with cross-entropy; logs val/accuracy (top 1) and val/accuracy_top5.

    label_smoothing: share of the target that is spread over all classes (Szegedy et al., 2016).
    """

    def __init__(
        self,
        net: BackboneClassifier,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        normalize: Normalize,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(net, optimizer, scheduler, normalize)
        self.label_smoothing = label_smoothing

    def training_step(self, batch: Picture, batch_idx: int) -> Tensor:
        logits = self.net(self.normalize(batch.image)).float()
        loss = F.cross_entropy(logits, batch.target, label_smoothing=self.label_smoothing)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Picture, batch_idx: int) -> None:
        logits = self.net(self.normalize(batch.image)).float()
        ranked = logits.topk(min(5, logits.shape[1]), dim=1).indices
        hits = (ranked == batch.target[:, None]).float()
        self.log("val/loss", F.cross_entropy(logits, batch.target), batch_size=len(hits), sync_dist=True)
        self.log("val/accuracy", hits[:, 0].mean(), batch_size=len(hits), sync_dist=True, prog_bar=True)
        self.log("val/accuracy_top5", hits.sum(1).mean(), batch_size=len(hits), sync_dist=True)
