"""One round of a compression: cut the network of the round before, judge it, fine-tune it. A training run of its own."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from icnet.data.judged import JudgedDataset
from icnet.engines.pytorch import TorchEngine
from icnet.files import make_folder
from icnet.metrics.confusion import mean_iou, plain
from icnet.model.icnet import ICNet
from icnet.model.prune import cut
from icnet.processes import is_follower
from icnet.tasks.compress.order import Order
from icnet.tasks.setup.build import build
from icnet.tasks.setup.device import choose_autocast
from icnet.tasks.setup.network import Network
from icnet.tasks.setup.teacher import find_label_maps
from icnet.tasks.setup.trainer import build_evaluator, build_trainer, start
from icnet.tasks.train import train_network
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import judge
from icnet.weights.checkpoint import Source, read_source

log = logging.getLogger(__name__)


class Round(NamedTuple):
    """Its share of the first width, and its folder, which is that of a training run."""

    keep: float
    folder: Path

    @property
    def best(self) -> Path:
        return self.folder / "checkpoints" / "best.ckpt"

    @property
    def is_done(self) -> bool:
        return (self.folder / "results.json").is_file()

    def read_results(self) -> dict[str, Any]:
        results: dict[str, Any] = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))
        return results


def plan_rounds(order: Order, folder: Path) -> list[Round]:
    """One for each share, in folders below that of the run."""
    return [Round(keep, folder / "rounds" / f"{keep:g}") for keep in order.keep]


def run_round(cfg: DictConfig, order: Order, this: Round, before: Path) -> Path:
    """before: the checkpoint that is cut. Returns the best one of this round, as all processes know it."""
    start(cfg.seed)  # a round that a resumed run begins with starts as it would have done
    source = read_source(before)
    net = source.build()
    net = cut(net, order.choose(net, this.keep))
    if not is_follower():
        make_folder(this.folder)
    data, frames = read_data(cfg, source)
    if this.keep != order.keep[0]:
        data.table = 0  # which the first round has shown
    trainer = build_evaluator(quiet(cfg), this.folder)
    miou = mean_iou(judge(trainer, open_engine(cfg, source, net), {}, frames, data.num_workers).matrix)
    log.info("Keeping %g of the filters: mIoU %.4f before fine-tuning", this.keep, miou)
    own = settings_of(cfg, this, net)
    network = Network(net.train(), source.normalize, frozenset(name for name, _ in net.named_parameters()))
    trainer = build_trainer(own, this.folder, monitor="val/miou")
    folder = train_network(own, this.folder, trainer, data, network, {"miou_cut": plain(miou)})
    return this._replace(folder=folder).best


def read_data(cfg: DictConfig, source: Source) -> tuple[SegmentationDataModule, JudgedDataset]:
    """What a round trains on, which sets itself up when it trains, and the frames by which all networks are judged."""
    data: SegmentationDataModule = build(cfg.data, label_maps=find_label_maps(cfg))
    data.bit_depth = source.normalize.bit_depth
    data.prepare_data()
    frames = data.division.find_validation(data.layout)
    return data, JudgedDataset(frames, data.classes, bit_depth=data.bit_depth)


def open_engine(cfg: DictConfig, source: Source, net: ICNet | None = None) -> TorchEngine:
    """The network of a checkpoint, or what was cut out of it, to be judged and timed."""
    net = source.build() if net is None else net
    if cfg.model.channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    source.normalize.channels_last = cfg.model.channels_last
    return TorchEngine(net, source.normalize, source.class_table, autocast=choose_autocast(cfg.trainer))


def settings_of(cfg: DictConfig, this: Round, net: ICNet) -> DictConfig:
    """The configuration of a round's training: it goes on from its own folder; labels are sampled as `net` resizes."""
    resume = str(this.folder) if cfg.task.resume else None
    merged = OmegaConf.merge(cfg, {"task": {"resume": resume}, "model": {"align_corners": net.resize.align_corners}})
    assert isinstance(merged, DictConfig)
    return merged


def quiet(cfg: DictConfig) -> DictConfig:
    """For a pass that is a part of something: no bar, nothing tracked."""
    with open_dict(cfg):
        merged = OmegaConf.merge(cfg, {"logger": None, "trainer": {"enable_progress_bar": False}})
    assert isinstance(merged, DictConfig)
    return merged
