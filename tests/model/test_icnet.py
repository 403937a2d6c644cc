from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from icnet.model.cff import CascadeFeatureFusion
from icnet.model.icnet import ARCHITECTURE_VERSION, CascadeLogits, ICNet
from icnet.model.layers import stage_size
from icnet.model.trunks.resnet import BlockSpec, ResNetSpec, resnet18, resnet34, resnet50, resnet101

SIZES = [(32, 32), (33, 41), (47, 32), (63, 95), (64, 64), (97, 65), (129, 257)]


def tiny(num_classes: int = 5, **settings: Any) -> ICNet:
    """The full cascade over a narrow ResNet-50, with BN and biases off their starting values."""
    torch.manual_seed(0)
    net = ICNet(resnet50(width=0.125), num_classes, **settings)
    for name, value in (*net.named_parameters(), *net.named_buffers()):
        if value.is_floating_point() and value.ndim == 1:
            nn.init.uniform_(value.data, 0.5, 1.5) if "var" in name else nn.init.uniform_(value.data, -0.5, 1.0)
    return net.eval()


@pytest.fixture(scope="module")
def net() -> ICNet:
    return tiny()


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.no_grad():
        yield


def image(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


@pytest.mark.parametrize("size", SIZES)
def test_forward_gives_logits_of_the_size_of_the_image(net: ICNet, size: tuple[int, int]) -> None:
    logits = net(image(*size, batch=2))
    assert logits.shape == (2, 5, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_stages_have_a_16th_an_8th_and_a_4th_of_the_rows_rounded_up(size: tuple[int, int], align_corners: bool) -> None:
    stages = tiny(align_corners=align_corners).cascade(image(*size))
    for stage, stride in zip(stages, (16, 8, 4), strict=True):
        assert stage.shape == (1, 5, -(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("size", [(31, 32), (32, 31), (16, 400)])
def test_an_image_below_32x32_is_refused_with_its_size(net: ICNet, size: tuple[int, int]) -> None:
    for call in (net, net.cascade, net.exit_at("sub4"), net.exit_at("sub24")):
        with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}.*32x32"):
            call(image(*size))


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (64, 129)])
def test_batch_1_trains_from_64x64(size: tuple[int, int]) -> None:
    net = tiny().train()
    with torch.enable_grad():
        stages = net.cascade(image(*size))
        sum(stage.square().mean() for stage in stages).backward()  # type: ignore[union-attr]
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (32, 32)])
def test_batch_1_below_64x64_trains_not_and_says_its_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}.*64x64"):
        tiny().train().cascade(image(*size))


def test_small_images_pass_in_larger_batches_and_in_evaluation() -> None:
    net = tiny()
    assert net.cascade(image(32, 32)).sub124.shape == (1, 5, 8, 8)
    assert net.train().cascade(image(32, 32, batch=2)).sub124.shape == (2, 5, 8, 8)


@pytest.mark.parametrize("size", [(64, 96), (75, 49)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_forward_is_the_enlarged_last_stage(size: tuple[int, int], align_corners: bool) -> None:
    net, images = tiny(align_corners=align_corners), image(*size)
    assert torch.equal(net(images), net.resize(net.cascade(images).sub124, size))


def test_forward_runs_no_guidance_head_and_cascade_runs_both() -> None:
    net = tiny()
    ran: list[str] = []
    for name in ("guide4", "guide24"):
        net.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    net(image(64, 64))
    assert ran == []
    net.cascade(image(64, 64))
    assert ran == ["guide4", "guide24"]


def test_the_trunk_runs_once_at_half_and_at_quarter_size() -> None:
    net, seen = tiny(), list[tuple[str, tuple[int, ...]]]()
    for name in ("backbone.stem", "backbone.conv4", "branch"):
        net.get_submodule(name).register_forward_pre_hook(
            lambda _module, inputs, name=name: seen.append((name, tuple(inputs[0].shape[-2:])))
        )
    net(image(128, 192))
    assert sorted(seen) == [("backbone.conv4", (4, 6)), ("backbone.stem", (64, 96)), ("branch", (128, 192))]


@pytest.mark.parametrize("size", [(64, 96), (75, 49)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_heads_before_the_resize_equal_heads_after_it(size: tuple[int, int], align_corners: bool) -> None:
    net, images = tiny(align_corners=align_corners), image(*size)
    stages = net.cascade(images)
    _, sub4 = net.trunk(images)
    sub24 = net.cff24(sub4, net.trunk(images)[0])
    sub124 = net.cff124(sub24, net.branch(images))
    for early, head, features, stride in (
        (stages.sub4, net.guide4, sub4, 16),
        (stages.sub24, net.guide24, sub24, 8),
        (stages.sub124, net.classifier, sub124, 4),
    ):
        late = head(net.resize(features, stage_size(images, stride)))
        assert torch.allclose(early, late, atol=1e-4)


@pytest.mark.parametrize("stage", ["sub4", "sub24", "sub124"])
def test_an_exit_gives_the_full_size_logits_of_its_stage(net: ICNet, stage: str) -> None:
    images = image(75, 49)
    expected = net.resize(getattr(net.cascade(images), stage), (75, 49))
    assert torch.equal(net.exit_at(stage)(images), expected)


def test_an_earlier_exit_is_a_smaller_network() -> None:
    net = tiny()
    sizes = [sum(p.numel() for p in net.exit_at(stage).parameters()) for stage in CascadeLogits._fields]
    assert sizes[0] < sizes[1] < sizes[2]


def test_an_exit_shares_its_weights_with_the_network() -> None:
    net, images = tiny(), image(64, 64)
    early = net.exit_at("sub4")
    before = early(images)
    net.guide4.bias.add_(1.0)
    assert torch.allclose(early(images), before + 1, atol=1e-5)


def test_an_unknown_exit_is_refused_with_the_choices(net: ICNet) -> None:
    with pytest.raises(ValueError, match=r"sub42.*sub4, sub24, sub124"):
        net.exit_at("sub42")


@pytest.mark.parametrize("width", [0.125, 0.25, 0.5, 1.0])
def test_width_scales_fusion_and_full_image_branch(width: float) -> None:
    with torch.device("meta"):
        net = ICNet(resnet50(width=width), 19)
    assert net.classifier.in_channels == 256 * width
    assert net.guide24.in_channels == 256 * width
    assert [block.conv.out_channels for block in net.branch] == [64 * width, 64 * width, 128 * width]
    assert net.guide4.in_channels == 512 * width


def test_fusion_channels_override_and_the_branch_follows() -> None:
    with torch.device("meta"):
        net = ICNet(resnet18(), 19, fusion_channels=128)
    assert net.classifier.in_channels == net.guide24.in_channels == 128
    assert [block.conv.out_channels for block in net.branch] == [32, 32, 64]


@pytest.mark.parametrize("fusion_channels", [0, -4])
def test_a_fusion_without_channels_is_refused(fusion_channels: int) -> None:
    with pytest.raises(ValueError, match=f"fusion_channels.*{fusion_channels}"):
        ICNet(resnet18(width=0.125), 5, fusion_channels=fusion_channels)


@pytest.mark.parametrize("maker", [resnet18, resnet34, resnet50, resnet101])
@pytest.mark.parametrize(("stem", "stride_on"), [("3x3", "1x1"), ("7x7", "3x3")])
def test_every_backbone_carries_the_cascade(maker: Any, stem: str, stride_on: str) -> None:
    with torch.device("meta"):
        net = ICNet(maker(width=0.25, stem=stem, stride_on=stride_on), 7)
        assert net.cascade(torch.empty(2, 3, 65, 97)).sub4.shape == (2, 7, 5, 7)


@pytest.mark.parametrize(
    "net",
    [
        ICNet(resnet50(width=0.125, stem="7x7", stride_on="3x3"), 3, fusion_channels=24, align_corners=True),
        ICNet(resnet18(width=0.125), 4, branch_channels=(3, 5, 7), pooled_channels=6),
        ICNet(resnet18(width=0.125), 4, 16, fusion="deconv5"),
    ],
)
def test_an_architecture_rebuilds_the_network_through_json(net: ICNet) -> None:
    again = ICNet.from_spec(json.loads(json.dumps(net.architecture)))
    assert again.architecture == net.architecture
    again.load_state_dict(net.state_dict())
    images = image(64, 65)
    assert torch.equal(again.eval()(images), net.eval()(images))


def test_a_pruned_network_with_other_channels_in_every_convolution_is_built_from_its_spec() -> None:
    pruned = ResNetSpec(
        "bottleneck",
        (4, 5, 6),
        (
            (BlockSpec((3, 4, 9), project=True), BlockSpec((2, 3, 9), project=False)),
            (BlockSpec((5, 6, 11), project=True), BlockSpec((7, 5, 11), project=False)),
            (BlockSpec((5, 6, 13), project=True),),
            (BlockSpec((5, 6, 15), project=True),),
        ),
    )
    net = ICNet(pruned, 4, fusion_channels=10, branch_channels=(2, 3, 5), pooled_channels=7)
    again = ICNet.from_spec(json.loads(json.dumps(net.architecture))).eval()
    assert again(image(40, 40)).shape == (1, 4, 40, 40)
    assert [block.conv.out_channels for block in again.branch] == [2, 3, 5]
    assert again.guide4.in_channels == 7


@pytest.mark.parametrize("version", [0, ARCHITECTURE_VERSION + 1, None])
def test_an_architecture_of_another_version_is_refused(version: int | None) -> None:
    other = copy.deepcopy(ICNet(resnet18(width=0.125), 3).architecture) | {"version": version}
    with pytest.raises(ValueError, match=f"version {version}"):
        ICNet.from_spec(other)


@pytest.mark.parametrize("net", [ICNet(resnet18(width=0.125), 3, 16), ICNet(resnet50(width=0.125), 3)])
def test_a_description_that_the_first_version_wrote_is_brought_up_to_date(net: ICNet) -> None:
    """It had one width for both fusion units, and knew one family of trunks."""
    today = net.architecture
    trunk = {key: value for key, value in today["backbone"].items() if key != "family"}
    first = {**today, "version": 1, "backbone": trunk, "fusion_channels": today["fusion_channels"][0]}
    del first["fusion"]  # nor any unit but the paper's
    assert ICNet.from_spec(first).architecture == today


def test_each_fusion_unit_has_a_width_of_its_own() -> None:
    net = ICNet(resnet18(width=0.125), 3, fusion_channels=(12, 20))
    assert net.architecture["fusion_channels"] == [12, 20]
    assert [layer.conv.out_channels for layer in net.branch] == [5, 5, 10]  # they follow the unit that they meet
    again = ICNet.from_spec(net.architecture)
    assert (again.guide24.in_channels, again.classifier.in_channels) == (12, 20)


def test_the_description_follows_a_cut_of_the_modules() -> None:
    net = ICNet(resnet18(width=0.125), 3, 16)
    net.guide24, net.cff24 = nn.Conv2d(9, 3, 1), CascadeFeatureFusion(16, 16, 9)
    net.cff124 = CascadeFeatureFusion(9, 8, 16)
    assert net.architecture["fusion_channels"] == [9, 16]
    again = ICNet.from_spec(net.architecture)
    again.load_state_dict(net.state_dict())
    assert torch.equal(again.eval()(image(64, 65)), net.eval()(image(64, 65)))
