"""Weights from own checkpoints and from ImageNet files of others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from icnet.errors import WeightsError
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import BackboneSpec, resnet18, resnet50
from icnet.weights.checkpoint import fetch, load_backbone, load_checkpoint, load_weights, sha256, verify_checksum

WIDTH = 0.125


def save_checkpoint(net: ICNet, path: Path) -> Path:
    about = {
        "architecture": net.architecture,
        "classes": {"names": ["a", "b"], "colors": [[0, 0, 0], [1, 1, 1]], "label_ids": None, "ignored_ids": []},
        "preprocessing": {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
    }
    torch.save({"icnet": about, "state_dict": {f"net.{k}": v for k, v in net.state_dict().items()}}, path)
    return path


def foreign_names(net: ICNet, stem: str) -> dict[str, Tensor]:
    """The trunk's weights under torchvision's names, with the stem of `stem`: "plain", "numbered", "nested" or "listed"."""
    kinds = {"reduce": "1", "conv": "2", "increase": "3"}
    renamed: dict[str, Tensor] = {}
    for key, value in net.backbone.state_dict().items():
        if match := re.fullmatch(r"conv(\d)\.(\d+)\.project\.(conv|bn)\.(.+)", key):
            place = "01"[match[3] == "bn"]
            renamed[f"layer{int(match[1]) - 1}.{match[2]}.downsample.{place}.{match[4]}"] = value
        elif match := re.fullmatch(r"conv(\d)\.(\d+)\.(reduce|conv|increase)\.(conv|bn)\.(.+)", key):
            renamed[f"layer{int(match[1]) - 1}.{match[2]}.{match[4]}{kinds[match[3]]}.{match[5]}"] = value
        elif match := re.fullmatch(r"stem\.(\d)\.(conv|bn)\.(.+)", key):
            renamed[stem_name(stem, int(match[1]), match[2], match[3])] = value
    return renamed


def stem_name(stem: str, place: int, kind: str, leaf: str) -> str:
    if stem in ("plain", "listed"):
        return f"{kind}{place + 1}.{leaf}"
    number = 3 * place + (kind == "bn")
    if stem == "nested" and (place, kind) == (2, "bn"):
        return f"bn1.{leaf}"
    return f"{'conv1' if stem == 'nested' else 'stem'}.{number}.{leaf}"


@pytest.mark.parametrize(
    ("spec", "stem"),
    [
        (resnet50(WIDTH, stem="7x7", stride_on="3x3"), "plain"),
        (resnet50(WIDTH), "numbered"),
        (resnet50(WIDTH), "nested"),
        (resnet50(WIDTH), "listed"),
    ],
)
def test_imagenet_weights_arrive_at_their_places_under_every_known_naming(
    spec: BackboneSpec, stem: str, tmp_path: Path
) -> None:
    source, target = ICNet(spec, 3), ICNet(spec, 3)
    state = {**foreign_names(source, stem), "fc.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(3)}
    torch.save(state, tmp_path / "weights.pth")
    loaded = load_backbone(target, str(tmp_path / "weights.pth"))
    for key, value in source.backbone.state_dict().items():
        assert torch.equal(target.backbone.state_dict()[key], value), key
    assert all(name.startswith("backbone.") for name in loaded.loaded)
    assert "classifier.weight" in loaded.fresh
    assert not any(name.startswith("backbone.") for name in loaded.fresh)


def test_weights_wrapped_in_a_state_dict_and_in_module_are_understood(tmp_path: Path) -> None:
    spec = resnet50(WIDTH, stem="7x7", stride_on="3x3")
    source, target = ICNet(spec, 3), ICNet(spec, 3)
    state = {f"module.{k}": v for k, v in foreign_names(source, "plain").items()}
    torch.save({"state_dict": state, "epoch": 90}, tmp_path / "w.pth")
    load_backbone(target, str(tmp_path / "w.pth"))
    assert torch.equal(target.backbone.stem[0].conv.weight, source.backbone.stem[0].conv.weight)  # type: ignore[union-attr]


def test_every_key_that_does_not_fit_is_named(tmp_path: Path) -> None:
    spec = resnet50(WIDTH, stem="7x7", stride_on="3x3")
    state = foreign_names(ICNet(spec, 3), "plain")
    del state["layer1.0.conv1.weight"]
    state["layer4.2.conv3.weight"] = torch.zeros(1, 1, 1, 1)
    state["layer9.0.conv1.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        load_backbone(ICNet(spec, 3), str(tmp_path / "w.pth"))
    message = str(caught.value)
    assert "conv2.0.reduce.conv.weight is not in the file" in message
    assert "conv5.2.increase.conv.weight is [1, 1, 1, 1] in the file" in message
    assert "conv10.0.reduce.conv.weight is not in the network" in message


def test_torchvision_weights_on_the_authors_stem_are_refused_with_the_right_backbone(tmp_path: Path) -> None:
    torch.save(foreign_names(ICNet(resnet50(WIDTH, "7x7", "3x3"), 3), "plain"), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="backbone=resnet50_imagenet"):
        load_backbone(ICNet(resnet50(WIDTH), 3), str(tmp_path / "w.pth"))


def test_a_wrong_checksum_in_the_name_is_an_error_and_a_right_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    right = tmp_path / f"net-{sha256(path)[:8]}.pth"
    right.write_bytes(b"weights")
    verify_checksum(right)
    wrong = tmp_path / "net-00000000.pth"
    wrong.write_bytes(b"weights")
    with pytest.raises(WeightsError, match=r"net-00000000.pth is damaged"):
        fetch(str(wrong))


def test_a_checkpoint_returns_the_same_network_in_eval_mode(tmp_path: Path) -> None:
    net = ICNet(resnet18(WIDTH), 2, fusion_channels=16).eval()
    again = load_checkpoint(save_checkpoint(net, tmp_path / "a.ckpt"))
    images = torch.randn(1, 3, 64, 96)
    assert not again.training
    assert torch.equal(again(images), net(images))


def test_other_classes_start_the_classifiers_anew_and_keep_the_rest(tmp_path: Path) -> None:
    path = save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt")
    net = ICNet(resnet18(WIDTH), 5, 16)
    loaded = load_weights(net, path)
    assert sorted({name.split(".")[0] for name in loaded.fresh}) == ["classifier", "guide24", "guide4"]
    key = "conv5.1.conv2.conv.weight"
    assert torch.equal(net.backbone.state_dict()[key], load_checkpoint(path).backbone.state_dict()[key])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt")
    with pytest.raises(WeightsError, match="does not fit the network"):
        load_weights(ICNet(resnet18(2 * WIDTH), 2, 16), path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_missing_or_broken_file_is_named(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "broken.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.ckpt"):
        load_checkpoint(path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match="is no checkpoint of icnet"):
        load_checkpoint(tmp_path / "other.ckpt")
