"""task=pretrain: the trunk as an ImageNet classifier, whose checkpoint `model.backbone.weights` takes."""

from __future__ import annotations

import logging
import time

from omegaconf import DictConfig

from icnet.model.classifier import BackboneClassifier
from icnet.model.preprocess import Normalize
from icnet.model.work import count_macs, count_parameters
from icnet.report.results import describe_machine, write_results
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.loggers import finish_tracking
from icnet.tasks.setup.network import build_trunk, start_trunk, wants_list
from icnet.tasks.setup.trainer import build_trainer, fit, start
from icnet.training.pretrain import ClassificationModule, ImageNetDataModule
from icnet.weights.download import sha256

log = logging.getLogger(__name__)


def pretrain(cfg: DictConfig) -> None:
    """Fit the classifier, write its accuracy and its checkpoints."""
    if wants_list(cfg):
        return
    begin = time.monotonic()
    start(cfg.seed)
    folder = run_folder()
    trainer = build_trainer(cfg, folder, monitor="val/accuracy")
    data: ImageNetDataModule = build(cfg.data)
    data.setup()
    trunk = build_trunk(cfg)
    net = BackboneClassifier(trunk, data.num_classes)
    start_trunk(cfg, net, net.backbone)
    if cfg.model.compile:
        net.compile()
    module: ClassificationModule = build(
        cfg.module,
        net=net,
        optimizer=build(cfg.optimizer),
        scheduler=build(cfg.scheduler),
        normalize=Normalize(trunk.mean, trunk.std, cfg.model.channels_last),
    )
    fit(cfg, trainer, module, data, (data.crop_size, data.crop_size))
    folder = trainer.strategy.broadcast(folder)  # under torchrun and SLURM the first process alone knows it
    best = folder / "checkpoints" / "best.ckpt"
    scores = trainer.validate(module, datamodule=data, ckpt_path=str(best), verbose=False, weights_only=True)[0]
    metrics = {name.removeprefix("val/"): float(value) for name, value in scores.items()}
    protocol = {
        "data": data.name,
        "images": len(data.val_set),
        "crop_size": data.crop_size,
        "parameters": count_parameters(net),
        "macs": count_macs(net, (data.crop_size, data.crop_size)),
        "checkpoint_sha256": sha256(best),
        **describe_machine(module.device),
    }
    if trainer.is_global_zero:
        write_results(folder, "pretrain", cfg.name, metrics, protocol, time.monotonic() - begin)
        log.info("Accuracy %.4f; start a cascade from it with model.backbone.weights=%s", metrics["accuracy"], best)
        finish_tracking(trainer, metrics, protocol, None, best)
