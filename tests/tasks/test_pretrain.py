"""Pre-training of the trunk, and a cascade that starts from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import TINY, Run

from icnet.data.images import write_image
from icnet.errors import DataError
from icnet.weights.checkpoint import load_checkpoint

PRETRAIN = (
    "experiment=pretrain_imagenet", "backbone=resnet18", "model.backbone.width=0.125", "strategy=auto",
    "data.crop_size=64", "data.batch_size=2", "data.num_workers=0", "scheduler.warmup_steps=0",
    "trainer.devices=1", "trainer.accelerator=cpu", "trainer.max_steps=3", "trainer.precision=32-true",
)  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            folder = tmp_path / "imagenet" / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                write_image(folder / f"{number}.png", rng.integers(0, 256, (80, 100, 3), np.uint8))
    return tmp_path / "imagenet"


def test_a_cascade_starts_from_a_pretrained_trunk(run_icnet: Run, pictures: Path, streets: Path) -> None:
    folder = run_icnet(*PRETRAIN, tiny=False, root=pictures, folder="pretrain")
    results = json.loads((folder / "results.json").read_text())
    assert 0 <= results["metrics"]["accuracy"] <= results["metrics"]["accuracy_top5"] <= 1

    best = folder / "checkpoints" / "best.ckpt"
    trained = torch.load(best, weights_only=True)["state_dict"]
    started = run_icnet(*TINY, f"model.backbone.weights={best}", "optimizer.lr=0", "trainer.max_steps=1", tiny=False)
    net = load_checkpoint(started / "checkpoints" / "last.ckpt")
    key = "backbone.conv4.1.conv2.conv.weight"
    assert torch.equal(net.state_dict()[key], trained[f"net.{key}"])


def test_folders_that_are_not_there_are_named(run_icnet: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no folders of pictures"):
        run_icnet(*PRETRAIN, tiny=False, root=tmp_path)
