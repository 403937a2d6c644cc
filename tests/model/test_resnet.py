from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import (
    CLASSIFICATION,
    Backbone,
    BackboneSpec,
    BlockSpec,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
)

Maker = Callable[..., BackboneSpec]
MAKERS = [resnet18, resnet34, resnet50, resnet101]


def conv_weights(net: nn.Module) -> int:
    return sum(m.weight.numel() for m in net.modules() if isinstance(m, nn.Conv2d))


def sizes_of(backbone: Backbone, images: Tensor) -> dict[str, tuple[int, ...]]:
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
        net = Backbone(maker(stem="7x7", stride_on="3x3"))
    assert conv_weights(net) == torchvision_total - norms - classifier


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
@pytest.mark.parametrize("stride_on", ["1x1", "3x3"])
def test_every_resnet_has_a_head_of_stride_8_and_a_tail_that_keeps_the_size(
    maker: Maker, stem: str, stride_on: str
) -> None:
    spec = maker(width=0.125, stem=stem, stride_on=stride_on)
    with torch.device("meta"):
        net = Backbone(spec).eval()
        head = net.head(torch.empty(1, 3, 65, 40))
        tail = net.tail(head)
    conv3, conv5 = spec.out_channels
    assert head.shape == (1, conv3, 9, 5)
    assert tail.shape == (1, conv5, 9, 5)
    assert conv5 == (512 if spec.block == "basic" else 2048) / 8


def test_the_first_1x1_of_conv3_has_the_stride_by_default() -> None:
    with torch.device("meta"):
        sizes = sizes_of(Backbone(resnet50(width=0.125)).eval(), torch.empty(1, 3, 64, 64))
    assert sizes["conv2"] == (16, 16)
    assert sizes["conv3.0.reduce"] == sizes["conv3.0.conv"] == (8, 8)


def test_the_stride_moves_to_the_3x3_on_demand() -> None:
    with torch.device("meta"):
        sizes = sizes_of(Backbone(resnet50(width=0.125, stride_on="3x3")).eval(), torch.empty(1, 3, 64, 64))
    assert sizes["conv3.0.reduce"] == (16, 16)
    assert sizes["conv3.0.conv"] == sizes["conv3.0"] == (8, 8)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_trunk_is_cut_after_the_first_block_of_conv3(maker: Maker) -> None:
    with torch.device("meta"):
        net = Backbone(maker(width=0.125)).eval()
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
        net = Backbone(maker(width=0.125))
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
        net, dilated = Backbone(spec, CLASSIFICATION).eval(), Backbone(spec)
        assert net.tail(net.head(torch.empty(1, 3, 64, 96))).shape[-2:] == (2, 3)
    assert {m.dilation for m in net.modules() if isinstance(m, nn.Conv2d)} == {(1, 1)}
    assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in dilated.state_dict().items()}


@pytest.mark.parametrize("maker", MAKERS)
def test_width_scales_every_convolution(maker: Maker) -> None:
    with torch.device("meta"):
        full, half = (dict(Backbone(maker(width=w)).named_parameters()) for w in (1.0, 0.5))
    assert full.keys() == half.keys()
    for name, p in full.items():
        image_channels = 3 if name == "stem.0.conv.weight" else p.shape[1] // 2 if p.ndim == 4 else 0
        assert half[name].shape == (p.shape[0] // 2, *((image_channels, *p.shape[2:]) if p.ndim == 4 else ())), name


def test_a_spec_survives_json() -> None:
    spec = resnet18(width=0.5, stem="7x7", stride_on="3x3")
    assert BackboneSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize("setting", [{"stem": "5x5"}, {"stride_on": "2x2"}, {"width": 0.001}, {"width": -1.0}])
def test_an_impossible_resnet_is_refused_by_the_value(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(setting.values())))):
        resnet50(**setting)  # type: ignore[arg-type]


def test_a_spec_names_what_it_cannot_be() -> None:
    block = BlockSpec((8, 8), project=False)
    with pytest.raises(ValueError, match="residual"):
        BackboneSpec("residual", (8,), ((block,),) * 4)
    with pytest.raises(ValueError, match="four stages"):
        BackboneSpec("basic", (8,), ((block,),) * 3)
    with pytest.raises(ValueError, match="stem"):
        BackboneSpec("basic", (8, 8), ((block,),) * 4)


@pytest.mark.parametrize("maker", [resnet18, resnet50])
def test_a_new_residual_block_starts_as_its_shortcut(maker: Maker) -> None:
    """Goyal et al., 2017: the last BN of each block begins at 0."""
    spec = maker(width=0.125)
    block = ICNet(spec, 3).eval().backbone.conv4[1]
    x = torch.rand(1, spec.stages[2][0].channels[-1], 6, 6)
    assert torch.equal(block(x), x)


def test_a_block_adds_its_input_to_what_its_convolutions_find() -> None:
    net = Backbone(resnet18(width=0.125, stem="7x7")).eval()
    block = net.conv2[0]
    nn.init.zeros_(block.get_submodule("conv2.conv").weight)
    x = torch.rand(1, 8, 6, 6)
    assert torch.equal(block(x), x)
