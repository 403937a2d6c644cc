from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from icnet.model.icnet import ICNet
from icnet.model.layers import ConvBN, ConvBNReLU
from icnet.model.trunk import read_spec as read_family
from icnet.model.trunks.resnet import (
    CLASSIFICATION,
    BlockSpec,
    ResNet,
    ResNetSpec,
    read_spec,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
)

Maker = Callable[..., ResNetSpec]
MAKERS = [resnet18, resnet34, resnet50, resnet101]


def conv_weights(net: nn.Module) -> int:
    return sum(m.weight.numel() for m in net.modules() if isinstance(m, nn.Conv2d))


def sizes_of(backbone: ResNet, images: Tensor) -> dict[str, tuple[int, ...]]:
    """Output (height, width) of every named part during head and tail."""
    seen: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _module, _inputs, out: seen.update({name: tuple(out.shape[-2:])})

    for name, module in backbone.named_modules():
        module.register_forward_hook(note(name))
    backbone.tail(backbone.head(images))
    return seen


@pytest.mark.parametrize(
    ("maker", "torchvision_total", "norms", "classifier"),
    [
        (resnet18, 11_689_512, 9_600, 513_000),
        (resnet34, 21_797_672, 17_024, 513_000),
        (resnet50, 25_557_032, 53_120, 2_049_000),
        (resnet101, 44_549_160, 105_344, 2_049_000),
    ],
)
def test_with_the_7x7_stem_the_convolutions_have_torchvisions_parameters(
    maker: Maker, torchvision_total: int, norms: int, classifier: int
) -> None:
    with torch.device("meta"):
        net = ResNet(maker(stem="7x7", stride_on="3x3"))
    assert conv_weights(net) == torchvision_total - norms - classifier


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("stride_on", ["1x1", "3x3"])
def test_every_resnet_has_a_head_of_stride_8_and_a_tail_that_keeps_the_size(
    maker: Maker, stem: str, stride_on: str
) -> None:
    spec = maker(width=0.125, stem=stem, stride_on=stride_on)
    with torch.device("meta"):
        net = ResNet(spec).eval()
        head = net.head(torch.empty(1, 3, 65, 40))
        tail = net.tail(head)
    conv3, conv5 = spec.out_channels
    assert head.shape == (1, conv3, 9, 5)
    assert tail.shape == (1, conv5, 9, 5)
    assert conv5 == (512 if spec.block == "basic" else 2048) / 8


def test_the_first_1x1_of_conv3_has_the_stride_by_default() -> None:
    with torch.device("meta"):
        sizes = sizes_of(ResNet(resnet50(width=0.125)).eval(), torch.empty(1, 3, 64, 64))
    assert sizes["conv2"] == (16, 16)
    assert sizes["conv3.0.reduce"] == sizes["conv3.0.conv"] == (8, 8)


def test_the_stride_moves_to_the_3x3_on_demand() -> None:
    with torch.device("meta"):
        sizes = sizes_of(ResNet(resnet50(width=0.125, stride_on="3x3")).eval(), torch.empty(1, 3, 64, 64))
    assert sizes["conv3.0.reduce"] == (16, 16)
    assert sizes["conv3.0.conv"] == sizes["conv3.0"] == (8, 8)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_trunk_is_cut_after_the_first_block_of_conv3(maker: Maker) -> None:
    with torch.device("meta"):
        net = ResNet(maker(width=0.125)).eval()
        ran: list[str] = []
        for name in ("conv3.0", "conv3.1", "conv4", "conv5"):
            net.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
        head = net.head(torch.empty(1, 3, 64, 64))
        assert ran == ["conv3.0"]
        net.tail(head)
    assert ran == ["conv3.0", "conv3.1", "conv4", "conv5"]


@pytest.mark.parametrize("maker", [resnet18, resnet50])
def test_conv4_is_dilated_by_2_and_conv5_by_4(maker: Maker) -> None:
    with torch.device("meta"):
        net = ResNet(maker(width=0.125))
    for stage, dilation in (("conv2", 1), ("conv3", 1), ("conv4", 2), ("conv5", 4)):
        found = {
            m.dilation
            for m in net.get_submodule(stage).modules()
            if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)
        }
        assert found == {(dilation, dilation)}


@pytest.mark.parametrize("maker", MAKERS)
def test_for_classification_the_tail_has_stride_32_no_dilation_and_the_same_weights(maker: Maker) -> None:
    spec = maker(width=0.125)
    with torch.device("meta"):
        net, dilated = ResNet(spec, CLASSIFICATION).eval(), ResNet(spec)
        assert net.tail(net.head(torch.empty(1, 3, 64, 96))).shape[-2:] == (2, 3)
    assert {m.dilation for m in net.modules() if isinstance(m, nn.Conv2d)} == {(1, 1)}
    assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in dilated.state_dict().items()}


@pytest.mark.parametrize("maker", MAKERS)
def test_width_scales_every_convolution(maker: Maker) -> None:
    with torch.device("meta"):
        full, half = (dict(ResNet(maker(width=w)).named_parameters()) for w in (1.0, 0.5))
    assert full.keys() == half.keys()
    for name, p in full.items():
        image_channels = 3 if name == "stem.0.conv.weight" else p.shape[1] // 2 if p.ndim == 4 else 0
        assert half[name].shape == (p.shape[0] // 2, *((image_channels, *p.shape[2:]) if p.ndim == 4 else ())), name


def test_a_spec_survives_json() -> None:
    spec = resnet18(width=0.5, stem="7x7", stride_on="3x3")
    assert read_spec(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("setting", [{"stem": "5x5"}, {"stride_on": "2x2"}, {"width": 0.001}, {"width": -1.0}])
def test_an_impossible_resnet_is_refused_by_the_value(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(setting.values())))):
        resnet50(**setting)  # type: ignore[arg-type]


def test_a_spec_names_what_it_cannot_be() -> None:
    block = BlockSpec((8, 8), project=False)
    with pytest.raises(ValueError, match="residual"):
        ResNetSpec("residual", (8,), ((block,),) * 4)
    with pytest.raises(ValueError, match="four stages"):
        ResNetSpec("basic", (8,), ((block,),) * 3)
    with pytest.raises(ValueError, match="stem"):
        ResNetSpec("basic", (8, 8), ((block,),) * 4)


def test_blocks_whose_channels_cannot_be_added_are_refused_when_the_spec_is_made() -> None:
    def spec(second: BlockSpec, third: BlockSpec) -> ResNetSpec:
        first = BlockSpec((4, 4, 16), project=True)
        return ResNetSpec("bottleneck", (4, 4, 8), ((first, second), (third,), (first,), (first,)))

    spec(BlockSpec((2, 3, 16), project=False), BlockSpec((4, 4, 9), project=True))
    with pytest.raises(ValueError, match="block 2 of conv2 adds 12 channels to the 16 that it reads"):
        spec(BlockSpec((4, 4, 12), project=False), BlockSpec((4, 4, 9), project=True))
    with pytest.raises(ValueError, match="block 1 of conv3 halves the size, so its shortcut needs a projection"):
        spec(BlockSpec((4, 4, 16), project=False), BlockSpec((4, 4, 16), project=False))
    with pytest.raises(ValueError, match="block 2 of conv2 has 2 convolutions: a bottleneck has 3"):
        spec(BlockSpec((4, 16), project=False), BlockSpec((4, 4, 9), project=True))
    with pytest.raises(ValueError, match="at least 1 each"):
        spec(BlockSpec((0, 4, 16), project=False), BlockSpec((4, 4, 9), project=True))


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("stride_on", ["1x1", "3x3"])
def test_a_trunk_describes_itself_from_its_modules(maker: Maker, stem: str, stride_on: str) -> None:
    spec = maker(width=0.125, stem=stem, stride_on=stride_on)
    with torch.device("meta"):
        assert spec.build().spec() == spec.build(dilated=False).spec() == spec


def test_a_cut_trunk_describes_what_is_left_of_it() -> None:
    net = resnet50(width=0.125).build()
    block = net.conv4[1]
    block.reduce, block.conv = ConvBNReLU(128, 5, 1), ConvBNReLU(5, 7, 3, dilation=2)
    block.increase = ConvBN(7, 128, 1)
    assert net.spec().stages[2][1] == BlockSpec((5, 7, 128), project=False)
    assert net.spec().build().load_state_dict(net.state_dict()).missing_keys == []


def test_a_family_that_does_not_exist_is_named() -> None:
    plain = resnet18().to_dict() | {"family": "os"}
    with pytest.raises(ValueError, match=r"no family of trunks 'os' \(known: .*resnet"):
        read_family(plain)


@pytest.mark.parametrize("maker", [resnet18, resnet50])
def test_a_new_residual_block_starts_as_its_shortcut(maker: Maker) -> None:
    """Goyal et al., 2017: the last BN of each block begins at 0."""
    spec = maker(width=0.125)
    block = ICNet(spec, 3).eval().backbone.conv4[1]
    x = torch.rand(1, spec.stages[2][0].channels[-1], 6, 6)
    assert torch.equal(block(x), x)


def test_a_block_adds_its_input_to_what_its_convolutions_find() -> None:
    net = ResNet(resnet18(width=0.125, stem="7x7")).eval()
    block = net.conv2[0]
    nn.init.zeros_(block.get_submodule("conv2.conv").weight)
    x = torch.rand(1, 8, 6, 6)
    assert torch.equal(block(x), x)
