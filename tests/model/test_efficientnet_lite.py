from __future__ import annotations

import json

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from icnet.model.icnet import ICNet
from icnet.model.layers import ConvBN
from icnet.model.trunk import read_spec
from icnet.model.trunks.efficientnet_lite import (
    BlockSpec,
    EfficientNetLite,
    EfficientNetLiteSpec,
    SameConvBN,
    efficientnet_lite,
)
from icnet.model.work import count_macs, count_parameters

VARIANTS = {0: efficientnet_lite(1.0, 1.0), 1: efficientnet_lite(1.0, 1.1), 2: efficientnet_lite(1.1, 1.2)}
SMALL = efficientnet_lite(width=0.125)


def reference(variant: int) -> EfficientNet:
    """The implementation of efficientnet_lite_pytorch at random, its batch norms as if they had seen something."""
    torch.manual_seed(variant)
    net = EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=None)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.001, 2)  # where eps counts, too
    return net


def features_of(net: EfficientNet, images: Tensor) -> Tensor:
    """Without the classifier's last 1x1 convolution, and without blocks left out at random."""
    x = net._swish(net._bn0(net._conv_stem(images)))
    for block in net._blocks:
        x = block(x)
    return x


def copy_of(theirs: EfficientNet, variant: int) -> EfficientNetLite:
    ours = VARIANTS[variant].build(dilated=False)
    state = ours.translate(theirs.state_dict())
    ours.load_state_dict({name: value for name, value in state.items() if not name.startswith(("head.", "fc."))})
    return ours


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_features_are_those_of_another_implementation_at_even_and_odd_sizes(variant: int) -> None:
    theirs = reference(variant).eval()
    ours = copy_of(theirs, variant).eval()
    for size in ((64, 96), (65, 97), (90, 35)):
        images = torch.randn(1, 3, *size)
        with torch.inference_mode():
            expected, found = features_of(theirs, images), ours.tail(ours.head(images))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_training_step_leaves_the_statistics_that_another_implementation_has() -> None:
    theirs = reference(0).train()
    ours, images = copy_of(theirs, 0).train(), torch.randn(2, 3, 64, 64)
    features_of(theirs, images)
    ours.tail(ours.head(images))
    expected = ours.translate(theirs.state_dict())
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5, msg=name)


def test_what_another_implementation_has_above_the_trunk_is_known_as_a_classifier() -> None:
    with torch.device("meta"):
        ours, theirs = VARIANTS[0].build(), EfficientNet.from_name("efficientnet-lite0")
    beside = ours.translate(theirs.state_dict()).keys() - ours.state_dict().keys()
    assert {name.split(".")[0] for name in beside} == {"head", "fc"}


@pytest.mark.parametrize(("variant", "parameters"), [(0, 4_652_008), (1, 5_416_680), (2, 6_092_072)])
def test_it_has_the_parameters_of_the_family(variant: int, parameters: int) -> None:
    """As published with the classifier: a 1x1 convolution to 1280 channels, its batch norm, and a layer for 1000 classes."""
    with torch.device("meta"):
        net = VARIANTS[variant].build()
    above = 1280 * (VARIANTS[variant].out_channels[1] + 2) + 1280 * 1000 + 1000
    assert count_parameters(net) + above == parameters


def test_a_cascade_on_lite0_costs_half_of_one_on_half_a_resnet50() -> None:
    with torch.device("meta"):
        net = ICNet(VARIANTS[0], 19)
    assert net.architecture["fusion_channels"] == [128, 128]
    assert count_parameters(net) == 3_273_769
    assert count_macs(net, (1024, 2048)) == 15_354_003_456


@pytest.mark.parametrize("spec", [*VARIANTS.values(), SMALL])
def test_its_head_has_stride_8_and_its_tail_keeps_the_size(spec: EfficientNetLiteSpec) -> None:
    with torch.device("meta"):
        net = spec.build().eval()
        head = net.head(torch.empty(1, 3, 65, 40))
        tail = net.tail(head)
    assert head.shape == (1, spec.out_channels[0], 9, 5)
    assert tail.shape == (1, spec.out_channels[1], 9, 5)


def test_with_dilation_every_second_feature_is_one_of_the_network_that_halves() -> None:
    """From the sixth stage on; TensorFlow's padding lets a stride on an even size begin with the second."""
    torch.manual_seed(0)
    dilated, halving = SMALL.build().eval(), SMALL.build(dilated=False).eval()
    halving.load_state_dict(dilated.state_dict())
    x = torch.randn(1, SMALL.stages[4][-1].out, 12, 16)
    with torch.inference_mode():
        whole, expected = dilated.stages[5:](x), halving.stages[5:](x)
    torch.testing.assert_close(whole[..., 1::2, 1::2], expected)


@pytest.mark.parametrize(("size", "first"), [(6, [1, 3, 5]), (5, [0, 2, 4])])
def test_a_stride_on_an_even_size_begins_one_pixel_later(size: int, first: list[int]) -> None:
    """A kernel that picks its centre shows where each output lies."""
    layer = SameConvBN(1, 1, 3, stride=2).eval()
    layer.conv.weight.data = torch.zeros(1, 1, 3, 3).index_put_(
        (torch.tensor(0),) * 2 + (torch.tensor(1),) * 2, torch.tensor(1.0)
    )
    row = torch.arange(float(size)).expand(1, 1, size, size)
    assert layer(row)[0, 0, 0].tolist() == pytest.approx(first, rel=1e-3)  # eps of the batch norm


@pytest.mark.parametrize("spec", [*VARIANTS.values(), SMALL])
def test_it_describes_itself_from_its_modules_and_its_description_survives_json(spec: EfficientNetLiteSpec) -> None:
    with torch.device("meta"):
        assert spec.build().spec() == spec.build(dilated=False).spec() == spec
    assert read_spec(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_cut_trunk_describes_what_is_left_of_it() -> None:
    net = SMALL.build()
    block = net.stages[3][1]
    block.project.conv = nn.Conv2d(5, 16, 1, bias=False)
    block.depthwise.conv, block.depthwise.bn = nn.Conv2d(5, 5, 3, padding=1, groups=5, bias=False), nn.BatchNorm2d(5)
    block.expand.conv, block.expand.bn = nn.Conv2d(16, 5, 1, bias=False), nn.BatchNorm2d(5)
    assert net.spec().stages[3][1] == BlockSpec(3, 5, 16, expand=True)
    assert net.spec().build().load_state_dict(net.state_dict()).missing_keys == []


def test_all_of_its_convolutions_are_such_that_an_export_folds_and_a_cut_finds_them() -> None:
    with torch.device("meta"):
        net = SMALL.build()
    folded = [module.conv for module in net.modules() if isinstance(module, ConvBN)]
    assert len(folded) == len([module for module in net.modules() if isinstance(module, nn.Conv2d)])


def test_a_depthwise_convolution_starts_as_wide_as_a_convolution_of_its_own() -> None:
    """He et al. by the 9 or 25 numbers of each channel, as in TensorFlow."""
    torch.manual_seed(0)
    net = ICNet(VARIANTS[0], 3).backbone
    for stage, kernel in ((3, 3), (5, 5)):
        weight = net.stages[stage][1].depthwise.conv.weight
        assert weight.std().item() == pytest.approx((2 / kernel**2) ** 0.5, rel=0.1)


@pytest.mark.parametrize("setting", [{"width": 0.0}, {"depth": -1.0}])
def test_an_impossible_variant_is_refused_by_the_value(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(setting.values())))):
        efficientnet_lite(**setting)


@pytest.mark.parametrize(
    ("stage", "blocks", "fault"),
    [
        (
            1,
            (BlockSpec(3, 8, 4, True), BlockSpec(3, 8, 5, True)),
            "block 2 of stage 2 adds 5 channels to the 4 that it reads",
        ),
        (0, (BlockSpec(3, 8, 4, False),), "block 1 of stage 1 reads 6 channels and has 8 without a 1x1"),
        (2, (BlockSpec(3, 0, 4, True),), "block 1 of stage 3 has no channel left: at least 1 each"),
        (6, (BlockSpec(4, 8, 4, True),), "block 1 of stage 7 has a kernel of 4: an odd number"),
        (6, (), "seven stages of at least one block"),
    ],
)
def test_a_spec_names_what_it_cannot_be(stage: int, blocks: tuple[BlockSpec, ...], fault: str) -> None:
    fine = [(BlockSpec(3, 6, 4, False),), *[(BlockSpec(3, 8, 4, True),)] * 6]
    EfficientNetLiteSpec(6, tuple(fine))
    with pytest.raises(ValueError, match=fault):
        EfficientNetLiteSpec(6, tuple(blocks if n == stage else each for n, each in enumerate(fine)))
