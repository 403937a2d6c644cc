"""Pre-training of the trunk, and a cascade that starts from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import TINY, Run
from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook

from icnet.data.images import write_image
from icnet.errors import DataError, WeightsError
from icnet.model.classifier import BackboneClassifier
from icnet.model.preprocess import Normalize
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.model.trunks.resnet import resnet18
from icnet.weights.checkpoint import load_checkpoint

PRETRAIN_ANY = (
    "experiment=pretrain_imagenet", "model.backbone.width=0.125", "strategy=auto",
    "data.crop_size=64", "data.batch_size=2", "data.num_workers=0", "scheduler.warmup_steps=0",
    "trainer.devices=1", "trainer.accelerator=cpu", "trainer.max_steps=3", "trainer.precision=32-true",
)  # fmt: skip
PRETRAIN = (*PRETRAIN_ANY, "backbone=resnet18")


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


@pytest.mark.slow
def test_a_light_trunk_is_pretrained_on_pictures_read_as_it_is_used_to(run_icnet: Run, pictures: Path) -> None:
    lite = ("backbone=efficientnet_lite0", "model.backbone.weights=null", "optimizer.lr=0", "model.channels_last=false")
    seen: list[Tensor] = []
    hook = register_module_forward_hook(
        lambda module, _, out: seen.append(out) if isinstance(module, Normalize) else None
    )
    folder = run_icnet(*PRETRAIN_ANY, *lite, tiny=False, root=pictures)
    hook.remove()
    levels = torch.cat([images.flatten() for images in seen]) * 128 + 127
    assert torch.equal(levels, levels.round())  # of bytes
    started = run_icnet(*lite[:1], f"model.backbone.weights={folder}/checkpoints/best.ckpt", "model.backbone.width=0.125",
                        *TINY[2:], tiny=False, folder="cascade")  # fmt: skip
    assert load_checkpoint(started / "checkpoints" / "best.ckpt").backbone.spec() == efficientnet_lite(width=0.125)


def test_folders_that_are_not_there_are_named(run_icnet: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no folders of pictures"):
        run_icnet(*PRETRAIN, tiny=False, root=tmp_path)


def test_pretraining_starts_from_a_file_and_compiles(
    run_icnet: Run, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(BackboneClassifier, "compile", lambda self: compiled.append(type(self).__name__))
    torch.manual_seed(5)
    other = BackboneClassifier(resnet18(width=0.125), 7)  # whose classifier does not fit
    torch.save(other.state_dict(), tmp_path / "trunk.pth")
    settings = (*PRETRAIN, "optimizer.lr=0", "model.compile=true", f"model.backbone.weights={tmp_path / 'trunk.pth'}")
    folder = run_icnet(*settings, tiny=False, root=pictures)
    trained = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    key = "backbone.conv4.1.conv2.conv.weight"
    assert torch.equal(trained[f"net.{key}"], other.state_dict()[key])
    assert compiled == ["BackboneClassifier"]


def test_a_file_of_weights_that_is_not_there_is_named(run_icnet: Run, pictures: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no file nowhere/trunk\.pth"):
        run_icnet(*PRETRAIN, "model.backbone.weights=nowhere/trunk.pth", tiny=False, root=pictures)
