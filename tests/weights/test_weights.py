"""What training starts from: own checkpoints, any state_dict that fits, trunks that others published."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from icnet.errors import WeightsError
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import ResNetSpec, resnet18, resnet50
from icnet.weights.checkpoint import load_checkpoint
from icnet.weights.start import Loaded, load_trunk, load_weights, read_weights

WIDTH = 0.125


def save_checkpoint(net: ICNet, path: Path, names: Sequence[str] = ("a", "b")) -> Path:
    about = {
        "architecture": net.architecture,
        "classes": {"names": list(names), "colors": [[n, n, n] for n in range(len(names))]},
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


def start_trunk(net: ICNet, path: Path) -> Loaded:
    return load_trunk(net, net.backbone, read_weights(path))


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
    spec: ResNetSpec, stem: str, tmp_path: Path
) -> None:
    source, target = ICNet(spec, 3), ICNet(spec, 3)
    state = {**foreign_names(source, stem), "fc.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(3)}
    torch.save(state, tmp_path / "weights.pth")
    loaded = start_trunk(target, tmp_path / "weights.pth")
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
    start_trunk(target, tmp_path / "w.pth")
    assert torch.equal(target.backbone.stem[0].conv.weight, source.backbone.stem[0].conv.weight)  # type: ignore[union-attr]


def test_every_key_that_does_not_fit_is_named(tmp_path: Path) -> None:
    spec = resnet50(WIDTH, stem="7x7", stride_on="3x3")
    state = foreign_names(ICNet(spec, 3), "plain")
    del state["layer1.0.conv1.weight"]
    state["layer4.2.conv3.weight"] = torch.zeros(1, 1, 1, 1)
    state["layer9.0.conv1.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        start_trunk(ICNet(spec, 3), tmp_path / "w.pth")
    message = str(caught.value)
    assert "conv2.0.reduce.conv.weight is not in the file" in message
    assert "conv5.2.increase.conv.weight is [1, 1, 1, 1] in the file" in message
    assert "conv10.0.reduce.conv.weight is not in the network" in message


def test_torchvision_weights_on_the_authors_stem_are_refused_with_the_right_backbone(tmp_path: Path) -> None:
    torch.save(foreign_names(ICNet(resnet50(WIDTH, "7x7", "3x3"), 3), "plain"), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="backbone=resnet50_imagenet"):
        start_trunk(ICNet(resnet50(WIDTH), 3), tmp_path / "w.pth")


def test_the_trunk_of_a_whole_network_is_taken_alone(tmp_path: Path) -> None:
    source, target = (ICNet(resnet18(WIDTH), classes, 16) for classes in (2, 3))
    loaded = start_trunk(target, save_checkpoint(source, tmp_path / "a.ckpt"))
    assert torch.equal(target.backbone.stem[2].conv.weight, source.backbone.stem[2].conv.weight)
    assert {name.split(".")[0] for name in loaded.loaded} == {"backbone"}


def test_a_checkpoint_returns_the_same_network_in_eval_mode(tmp_path: Path) -> None:
    net = ICNet(resnet18(WIDTH), 2, fusion_channels=16).eval()
    again = load_checkpoint(save_checkpoint(net, tmp_path / "a.ckpt"))
    images = torch.randn(1, 3, 64, 96)
    assert not again.training
    assert torch.equal(again(images), net(images))


@pytest.mark.parametrize("names", ["abcde", "ba", "ac"])
def test_other_classes_start_the_classifiers_anew_also_where_they_are_as_many(names: str, tmp_path: Path) -> None:
    weights = read_weights(save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt"))
    net = ICNet(resnet18(WIDTH), len(names), 16)
    before = net.classifier.weight.clone()
    loaded = load_weights(net, weights, names)
    assert sorted({name.split(".")[0] for name in loaded.fresh}) == ["classifier", "guide24", "guide4"]
    assert torch.equal(net.classifier.weight, before)
    key = "backbone.conv5.1.conv2.conv.weight"
    assert torch.equal(net.state_dict()[key], weights.state[key])
    assert "classifier.weight" not in loaded.loaded


def test_the_same_classes_keep_their_classifiers(tmp_path: Path) -> None:
    weights = read_weights(save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt"))
    net = ICNet(resnet18(WIDTH), 2, 16)
    assert load_weights(net, weights, "ab").fresh == ()
    assert torch.equal(net.classifier.weight, weights.state["classifier.weight"])


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (ICNet(resnet50(WIDTH), 2, 16, align_corners=True), "align_corners is True in the file, False here"),
        (ICNet(resnet50(WIDTH), 2, 16, fusion="bilinear"), "fusion is bilinear in the file, cff here"),
        (ICNet(resnet50(WIDTH, stride_on="3x3"), 2, 16), "stride_on is 3x3 in the file, 1x1 here"),
        (ICNet(resnet18(WIDTH), 2, 16), "block is basic in the file, bottleneck here"),
    ],
)
def test_a_network_that_computes_something_else_is_refused_though_its_weights_may_fit(
    other: ICNet, difference: str, tmp_path: Path
) -> None:
    weights = read_weights(save_checkpoint(other, tmp_path / "a.ckpt"))
    with pytest.raises(WeightsError, match=difference):
        load_weights(ICNet(resnet50(WIDTH), 2, 16), weights, "ab")


def test_a_network_of_another_width_is_refused(tmp_path: Path) -> None:
    weights = read_weights(save_checkpoint(ICNet(resnet18(WIDTH), 2, 24), tmp_path / "a.ckpt"))
    with pytest.raises(
        WeightsError,
        match=r"does not fit the network \(35 names\): .*\[6, 3, 3, 3\] in the file, \[4, 3, 3, 3\] .* 30 more",
    ):
        load_weights(ICNet(resnet18(WIDTH), 2, 16), weights, "ab")


@pytest.mark.parametrize("prefix", ["", "module.", "net.", "model.", "module.net.", "_orig_mod."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_a_plain_state_dict_of_the_network_is_taken_whatever_wraps_it(
    prefix: str, wrapper: str | None, tmp_path: Path
) -> None:
    source, net = ICNet(resnet18(WIDTH), 3, 16), ICNet(resnet18(WIDTH), 3, 16)
    state = {f"{prefix}{key}": value for key, value in source.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "w.pth")
    loaded = load_weights(net, read_weights(tmp_path / "w.pth"), "abc")
    assert loaded.fresh == loaded.left_out == ()
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in net.state_dict().items())


def test_what_a_state_dict_has_beside_the_network_is_left_out_and_named(tmp_path: Path) -> None:
    net = ICNet(resnet18(WIDTH), 3, 16)
    torch.save({**net.state_dict(), "auxiliary.weight": torch.zeros(2)}, tmp_path / "w.pth")
    assert load_weights(net, read_weights(tmp_path / "w.pth"), "abc").left_out == ("auxiliary.weight",)


def test_the_network_of_a_larger_training_is_taken_and_its_loss_and_teacher_are_left_out(tmp_path: Path) -> None:
    source, net = ICNet(resnet18(WIDTH), 3, 16), ICNet(resnet18(WIDTH), 3, 16)
    state = {f"model.net.{key}": value for key, value in source.state_dict().items()}
    beside = {"model.criterion.weight": torch.zeros(2), "teacher.weight": torch.zeros(2)}
    torch.save({"state_dict": beside | state}, tmp_path / "w.ckpt")
    weights = read_weights(tmp_path / "w.ckpt")
    loaded = load_weights(net, weights, "abc")
    assert (loaded.fresh, loaded.left_out) == ((), tuple(beside))
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in net.state_dict().items())
    trunk = ICNet(resnet18(WIDTH), 3, 16)
    load_trunk(trunk, trunk.backbone, weights)
    assert torch.equal(trunk.backbone.stem[0].conv.weight, source.backbone.stem[0].conv.weight)  # type: ignore[union-attr]


def test_the_network_of_a_file_is_offered_where_the_file_describes_one(tmp_path: Path) -> None:
    other, net = ICNet(resnet18(WIDTH), 2, 24), ICNet(resnet18(WIDTH), 2, 16)
    torch.save(other.state_dict(), tmp_path / "plain.pth")
    messages = []
    for path in (save_checkpoint(other, tmp_path / "a.ckpt"), tmp_path / "plain.pth"):
        with pytest.raises(WeightsError, match="does not fit the network") as caught:
            load_weights(net, read_weights(path), "ab")
        messages.append("task.architecture=file" in str(caught.value))
    assert messages == [True, False]


def test_a_state_dict_of_another_number_of_classes_starts_the_classifiers_anew(tmp_path: Path) -> None:
    torch.save(ICNet(resnet18(WIDTH), 19, 16).state_dict(), tmp_path / "w.pth")
    loaded = load_weights(ICNet(resnet18(WIDTH), 3, 16), read_weights(tmp_path / "w.pth"), "abc")
    assert {name.split(".")[0] for name in loaded.fresh} == {"classifier", "guide24", "guide4"}


def test_a_state_dict_that_lacks_a_layer_is_refused_by_its_name(tmp_path: Path) -> None:
    state = ICNet(resnet18(WIDTH), 3, 16).state_dict()
    del state["cff24.project_fine.conv.weight"]
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"cff24\.project_fine\.conv\.weight is not in the file"):
        load_weights(ICNet(resnet18(WIDTH), 3, 16), read_weights(tmp_path / "w.pth"), "abc")


def test_a_file_of_another_program_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match="is no checkpoint of icnet"):
        load_checkpoint(tmp_path / "other.ckpt")


def test_a_checkpoint_whose_weights_are_not_those_of_its_description_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt")
    content = torch.load(path, weights_only=True)
    content["icnet"]["architecture"]["pooled_channels"] = 5
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"a\.ckpt does not describe its own network"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("part", "torn"),
    [
        ("classes", {}),
        ("classes", {"names": ["a"], "colors": [[0, 0, 0]]}),
        ("classes", {"names": 3, "colors": 4}),
        ("classes", {"names": ["a", "b"], "colors": [[0, 0, 0]] * 2, "shapes": 7}),
        ("preprocessing", {}),
        ("preprocessing", {"mean": [0.5] * 3, "std": [0.2, 0.2]}),
        ("preprocessing", {"mean": [0.5] * 3, "std": [0.2, 0.2, 0.0]}),
        ("preprocessing", {"mean": ["a", "b", "c"], "std": [0.2] * 3}),
        ("preprocessing", {"mean": None, "std": [0.2] * 3}),
        ("loaded", 7),
    ],
)
@pytest.mark.parametrize("read", [load_checkpoint, read_weights])
def test_a_checkpoint_whose_description_is_torn_is_named(
    part: str, torn: object, read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt")
    content = torch.load(path, weights_only=True)
    content["icnet"][part] = torn
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"a\.ckpt does not describe its classes and preprocessing"):
        read(path)


def test_a_checkpoint_of_a_newer_icnet_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(ICNet(resnet18(WIDTH), 2, 16), tmp_path / "a.ckpt")
    content = torch.load(path, weights_only=True)
    content["icnet"]["architecture"]["version"] = 99
    torch.save(content, path)
    with pytest.raises(
        WeightsError, match=r"version 99; this icnet reads up to version 3; use the icnet that wrote it"
    ):
        load_checkpoint(path)
