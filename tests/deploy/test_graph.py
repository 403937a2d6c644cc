"""The program that is exported gives what the network gives, before any format comes into play."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from icnet.deploy.graph import FrameProgram, trace
from icnet.model.icnet import STAGES, ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.model.trunks.resnet import resnet18, resnet50

SIZES = [(32, 32), (33, 33), (33, 65), (47, 61), (64, 64), (91, 90), (97, 161), (128, 256), (200, 131), (129, 257)]


def make_net(align_corners: bool = False, trunk: TrunkSpec | None = None, fusion: str = "cff") -> ICNet:
    """Random weights, and batch norms that have seen something."""
    torch.manual_seed(0)
    net = ICNet(trunk or resnet18(width=0.125), 5, 16, align_corners, fusion=fusion).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    for head in (net.guide4, net.guide24, net.classifier):
        nn.init.normal_(head.weight, std=0.5)
    return net


def make_frames(size: tuple[int, int], count: int = 1) -> Tensor:
    return torch.randint(
        0, 256, (count, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(sum(size))
    )


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("stage", STAGES)
def test_its_scores_are_those_of_the_network_at_every_size(stage: str, align_corners: bool) -> None:
    net, normalize = make_net(align_corners), Normalize((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    program = FrameProgram(net, stage, normalize, logits=True)
    for size in SIZES:
        frames = make_frames(size, 2)
        with torch.inference_mode():
            expected = net.exit_at(stage)(normalize(frames))
        torch.testing.assert_close(program(frames), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("trunk", [resnet50(width=0.125), efficientnet_lite(width=0.125)])
def test_every_trunk_is_folded_and_frames_are_read_as_its_own_statistics_say(trunk: TrunkSpec) -> None:
    net, normalize = make_net(trunk=trunk), Normalize(trunk.mean, trunk.std)
    program = FrameProgram(net, "sub124", normalize, logits=True)
    for size in ((65, 97), (90, 64)):
        frames = make_frames(size)
        with torch.inference_mode():
            expected = net(normalize(frames))
        torch.testing.assert_close(program(frames), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", ["deconv3", "bilinear"])
def test_other_fusion_units_are_folded_as_well(fusion: str) -> None:
    net, frames = make_net(fusion=fusion), make_frames((65, 97))
    with torch.inference_mode():
        expected = net(Normalize()(frames))
    program = FrameProgram(net, "sub124", Normalize(), logits=True)
    torch.testing.assert_close(program(frames), expected, rtol=1e-4, atol=1e-4)


def test_neither_batch_norm_nor_guidance_is_left_and_the_network_is_as_it_was() -> None:
    net = make_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    program = FrameProgram(net, "sub124", Normalize())
    assert not [m for m in program.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not [name for name, _ in program.named_parameters() if "guide" in name]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_sparse_label_map_is_the_dense_one() -> None:
    net, frames = make_net(), make_frames((97, 131), 2)
    dense, sparse = (FrameProgram(net, "sub124", Normalize(), sparse=sparse)(frames) for sparse in (False, True))
    assert dense.dtype == torch.uint8
    assert torch.equal(dense, sparse)


def test_a_traced_program_takes_any_number_of_frames_and_needs_nothing_of_icnet() -> None:
    net = make_net()
    exported = trace(FrameProgram(net, "sub124", Normalize()), (64, 96))
    for count in (1, 3):
        frames = make_frames((64, 96), count)
        with torch.inference_mode():
            assert torch.equal(exported.module()(frames), net(Normalize()(frames)).argmax(dim=1).to(torch.uint8))
