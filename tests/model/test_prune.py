"""Channels cut out of a network: which go together, which go first, and that nothing else changes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from icnet.model.icnet import ICNet
from icnet.model.prune import Group, choose_largest, cut, find_groups, measure_filters
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.model.trunks.resnet import ResNet, ResNetSpec, resnet18, resnet34, resnet50, resnet101
from icnet.model.work import count_exit_macs, count_macs, count_weights

Maker = Callable[..., ResNetSpec]
MAKERS: list[Maker] = [resnet18, resnet34, resnet50, resnet101]


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def trained(spec: TrunkSpec, **settings: Any) -> ICNet:
    """A network whose batch norms are as far from their starting values as training takes them."""
    net = ICNet(spec, 4, **settings).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean):
                assert values is not None
                nn.init.uniform_(values, -0.5, 1.0)
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def silence(net: ICNet, group: Group, kept: Tensor) -> None:
    """Make the channels that are not kept 0 after each batch norm."""
    gone = torch.ones(group.width).index_fill(0, kept, 0).bool()
    for name in group.norms:
        norm = net.get_submodule(name)
        norm.get_parameter("weight")[gone] = 0
        norm.get_parameter("bias")[gone] = 0


def named(net: ICNet, name: str) -> Group:
    return next(group for group in find_groups(net) if group.name == name)


def random_specs() -> list[Any]:
    """Every depth and stem of a ResNet, and the other family; one width each."""
    chance = random.Random(0)
    found = [
        pytest.param(
            maker(width=chance.choice([0.0625, 0.125]), stem=stem, stride_on=chance.choice(["1x1", "3x3"])),
            id=f"{maker.__name__}, {stem}",
        )
        for maker in MAKERS
        for stem in ("3x3", "7x7")
    ]
    return [*found, pytest.param(efficientnet_lite(width=0.25), id="efficientnet_lite")]


@pytest.mark.parametrize("spec", random_specs())
def test_cutting_filters_is_making_them_zero_after_their_batch_norm(spec: TrunkSpec) -> None:
    """Any channels of all groups at once, in a network of any geometry, at odd sizes."""
    torch.manual_seed(0)
    chance = random.Random(str(spec))
    net = trained(spec, fusion_channels=chance.choice([None, 12, (7, 10)]), align_corners=chance.random() < 0.5)
    kept = {
        group: torch.randperm(group.width)[: chance.randint(1, group.width)].sort().values for group in find_groups(net)
    }
    images = torch.randn(2, 3, 65, 97)
    smaller = cut(net, kept)
    for group, channels in kept.items():
        silence(net, group, channels)
    for ours, whole in zip(smaller.cascade(images), net.cascade(images), strict=True):
        torch.testing.assert_close(ours, whole, rtol=1e-5, atol=1e-5)
    assert count_weights(smaller) < count_weights(net)


def test_what_is_added_to_each_other_is_cut_together() -> None:
    net = ICNet(resnet50(width=0.125), 3)
    assert named(net, "backbone.conv3.0.increase").writers == tuple(
        f"backbone.conv3.{block}.conv"
        for block in ("0.increase", "0.project", "1.increase", "2.increase", "3.increase")
    )
    assert named(net, "cff24.project_coarse").writers == ("cff24.project_coarse.conv", "cff24.project_fine.conv")
    assert named(net, "backbone.conv2.0.reduce").writers == ("backbone.conv2.0.reduce.conv",)
    basic = named(ICNet(resnet18(width=0.125, stem="7x7"), 3, 16), "backbone.stem.0")
    assert "backbone.conv2.1.conv2.conv" in basic.writers  # no projection stands between the stem and conv2


def test_all_readers_of_channels_follow_their_cut() -> None:
    net = ICNet(resnet50(width=0.125), 3)
    assert named(net, "ppm.project").readers == ("cff24.project_coarse.conv", "guide4")
    assert named(net, "cff24.project_coarse").readers == ("cff124.project_coarse.conv", "guide24")
    assert named(net, "cff124.project_coarse").readers == ("classifier",)
    assert "cff24.project_fine.conv" in named(net, "backbone.conv3.0.increase").readers


def test_every_convolution_but_the_classifiers_can_be_cut() -> None:
    net = ICNet(resnet34(width=0.125), 3, 16)
    convolutions = {name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)}
    written = [name for group in find_groups(net) for name in group.writers]
    assert len(written) == len(set(written))
    assert convolutions - set(written) == {"guide4", "guide24", "classifier"}


def halve(net: ICNet) -> ICNet:
    """Cut every layer to half of its filters."""
    return cut(
        net, {group: choose_largest(measure_filters(net, group), group.width // 2) for group in find_groups(net)}
    )


def test_half_of_the_full_width_is_the_network_that_the_authors_deployed() -> None:
    with torch.device("meta"):
        full, deployed = ICNet(resnet50(), 19), ICNet(resnet50(width=0.5), 19)
        half = halve(full)
    assert half.architecture == deployed.architecture
    assert [count_weights(net.exit_at("sub124")) for net in (full, half)] == [26_677_395, 6_671_443]
    assert count_macs(half, (1025, 2049)) == 29_571_574_848  # 29.81 G with the classifier after the resize
    assert count_exit_macs(half.architecture, "sub124", (1025, 2049)) == 29_571_574_848


def test_a_network_of_half_width_takes_the_weights_of_a_halved_one() -> None:
    halved = halve(trained(resnet50(width=0.25)))
    net = ICNet(resnet50(width=0.125), 4).eval()
    net.load_state_dict(halved.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(net(images), halved(images))


def test_a_cut_leaves_the_network_as_it_is_and_is_built_from_its_own_description() -> None:
    net = trained(resnet18(width=0.125), fusion_channels=16)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    group = named(net, "backbone.conv4.1.conv1")
    smaller = cut(net, {group: torch.tensor([0, 3, 5])})
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(
        smaller.get_parameter("backbone.conv4.1.conv1.conv.weight"),
        net.get_parameter("backbone.conv4.1.conv1.conv.weight")[[0, 3, 5]],
    )
    again = ICNet.from_spec(json.loads(json.dumps(smaller.architecture)))
    again.load_state_dict(smaller.state_dict())
    assert named(again, group.name).width == 3


def test_a_filter_is_as_strong_as_the_absolute_sum_of_all_merged_weights_that_write_its_channel() -> None:
    net = ICNet(resnet18(width=0.125), 3, 4)
    coarse, fine = net.cff124.project_coarse, net.cff124.project_fine  # 4 -> 4 channels of 3x3, 2 -> 4 of 1x1
    nn.init.constant_(coarse.conv.weight, 0.5)
    fine.conv.weight[:, :, 0, 0] = torch.tensor([[0.0, 0.0], [3.0, -4.0], [-1.0, 0.0], [1.0, 1.0]])
    coarse.bn.weight[3], fine.bn.weight[1] = -2.0, 0.5
    fine.bn.get_buffer("running_var")[2] = 0.25
    scores = measure_filters(net, named(net, "cff124.project_coarse"))
    assert scores.tolist() == pytest.approx([18.0, 18.0 + 3.5, 18.0 + 2.0, 36.0 + 2.0], rel=1e-4)
    assert choose_largest(scores, 2).tolist() == [1, 3]


def test_a_layer_of_another_kind_cannot_be_cut() -> None:
    net = ICNet(resnet18(width=0.125), 3, 16)
    net.branch[2].conv = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
    with pytest.raises(ValueError, match=r"branch\.2\.conv \(Conv2d\) cannot be cut"):
        find_groups(net)


def test_a_depthwise_convolution_is_cut_with_what_it_reads() -> None:
    group = named(ICNet(efficientnet_lite(width=0.25), 3), "backbone.stages.1.0.expand")
    assert group.writers == tuple(f"backbone.stages.1.0.{part}.conv" for part in ("expand", "depthwise"))
    assert group.readers == ("backbone.stages.1.0.project.conv",)


def test_a_trunk_whose_description_does_not_follow_cannot_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ICNet(resnet18(width=0.125), 3, 16)
    monkeypatch.setattr(ResNet, "spec", lambda self: resnet18(width=0.125))
    with pytest.raises(ValueError, match="a trunk of the family resnet cannot be cut"):
        cut(net, {named(net, "backbone.conv4.1.conv1"): torch.tensor([0])})
