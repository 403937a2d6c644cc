"""Write the confusion matrix of a network over a split, computed by several processes.

python tests/score_on_processes.py ROOT PROCESSES OUT.pt
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir

from icnet.config import settle_values
from icnet.files import conf_folder
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunks.resnet import resnet18
from icnet.objectives.cascade import CascadeLoss
from icnet.tasks.setup.build import build
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.module import SegmentationModule


def main(root: str, processes: int, out: Path) -> None:
    """The same network, whatever the number of processes: one seed, no training."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", [f"data.root={root}", "data.prepare=null", "data.num_workers=0"])
    settle_values(config)
    data: SegmentationDataModule = build(config.data)
    torch.manual_seed(0)
    net = ICNet(resnet18(0.25), len(data.classes), fusion_channels=32)
    torch.nn.init.normal_(net.classifier.weight)  # predictions of many classes
    module = SegmentationModule(
        net, CascadeLoss(), build(config.optimizer), build(config.scheduler), Normalize(), data.classes
    )
    trainer = pl.Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.validate(module, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        torch.save(module.matrix, out)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
