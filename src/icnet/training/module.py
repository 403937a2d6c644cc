"""The LightningModule: training and validation steps around a network that it is handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from icnet.data.dataset import Frame
from icnet.data.labels import ClassTable
from icnet.errors import ICNetError
from icnet.metrics.confusion import ConfusionMatrix, summarize
from icnet.model.icnet import CascadeLogits, ICNet
from icnet.model.label_map import to_label_map
from icnet.model.layers import size_of
from icnet.model.preprocess import Normalize
from icnet.objectives.objective import Objective

OptimizerFactory = Callable[[nn.Module, "frozenset[str]"], Optimizer]
SchedulerFactory = Callable[[Optimizer, int], LRScheduler]


class TrainedModule(pl.LightningModule):
    """A network with its optimizer and schedule.

    optimizer: (net, names of the parameters that were loaded) -> Optimizer.
    scheduler: (optimizer, number of steps of the whole run) -> scheduler, stepped once per step.
    loaded: names of the parameters of `net` that do not start anew; they learn at the plain rate.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        normalize: Normalize,
        loaded: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.net, self.normalize = net, normalize
        self._optimizer, self._scheduler, self._loaded = optimizer, scheduler, loaded

    def configure_optimizers(self) -> Any:
        optimizer = self._optimizer(self.net, self._loaded)
        scheduler = self._scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class SegmentationModule(TrainedModule):
    """Trains the cascade; validates its last stage at native resolution.

    net, objective, normalize: as their classes say; optimizer, scheduler, loaded: as above.
    classes: written into every checkpoint, beside the network's architecture and its preprocessing.
    frame_size: (height, width) of the data's frames, written too: for what is exported.
    compile_cascade: run the cascade through torch.compile; files never show it.
    """

    net: ICNet

    def __init__(
        self,
        net: ICNet,
        objective: Objective,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory,
        normalize: Normalize,
        classes: ClassTable,
        frame_size: tuple[int, int] | None = None,
        loaded: frozenset[str] = frozenset(),
        compile_cascade: bool = False,
    ) -> None:
        super().__init__(net, optimizer, scheduler, normalize, loaded)
        self.classes, self.frame_size = classes, frame_size
        self.confusion = ConfusionMatrix(len(classes))
        self._held = _Held(objective)
        self._cascade: Callable[[Tensor], CascadeLogits] = (
            torch.compile(net.cascade) if compile_cascade else net.cascade
        )

    @property
    def objective(self) -> Objective:
        return self._held.objective

    def on_fit_start(self) -> None:
        self.objective.to(self.device)

    def training_step(self, batch: Frame, batch_idx: int) -> Tensor:
        terms = self.objective.terms(batch.image, self._cascade(self.normalize(batch.image)), batch.label)
        total = terms.pop("total")
        self.log("train/loss", total, prog_bar=True)
        self.log_dict({f"train/loss_{name}": term for name, term in terms.items()})
        self.log("lr", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        return total

    def on_validation_epoch_start(self) -> None:
        """Without SyncBN each process has running statistics of its own: all validate with those that are saved."""
        if self.trainer.world_size > 1:
            for buffer in self.net.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def validation_step(self, batch: Frame, batch_idx: int) -> Tensor:
        """Returns the label map, for callbacks that show it."""
        logits = self._cascade(self.normalize(batch.image))
        label_map = to_label_map(logits.sub124, size_of(batch.label), self.net.resize)
        self.confusion.update(label_map, batch.label)
        loss = self.objective.validate(logits, batch.label)
        self.log("val/loss", loss, batch_size=len(batch.label), sync_dist=True)
        return label_map

    def on_validation_epoch_end(self) -> None:
        self.matrix = self.confusion.compute().clone()
        self.confusion.reset()
        if self.trainer.sanity_checking:
            return
        scores = summarize(self.matrix, self.classes.names)
        if scores["miou"] is None:
            raise ICNetError(
                "the validation labels hold no labelled pixel: check data.val_split and data.classes.ignored_ids"
            )
        self.log("val/miou", scores["miou"], prog_bar=True)
        self.log("val/pixel_accuracy", scores["pixel_accuracy"])
        self.log_dict({f"val/iou/{name}": iou for name, iou in scores["iou"].items() if iou is not None})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["icnet"] = {
            "architecture": self.net.architecture,
            "classes": self.classes.to_dict(),
            "preprocessing": self.normalize.to_dict(),
            "frame_size": None if self.frame_size is None else list(self.frame_size),
            "loaded": sorted(self._loaded),
        }


class _Held:
    """An objective that is no part of the module: a teacher goes into no checkpoint and no average, and is not trained."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def __deepcopy__(self, memo: object) -> _Held:
        return self  # the moving average begins with a copy of the module
