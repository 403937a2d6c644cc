"""The units that join two branches: the paper's, and those that it is compared with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from icnet.model.cff import FUSIONS, CascadeFeatureFusion
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import resnet18
from icnet.training.optimizer import parameter_groups

SIZES = [(32, 32), (33, 41), (47, 32), (97, 65)]


def unit(kind: str, place: int) -> CascadeFeatureFusion:
    """One channel, no batch norm, and weights of 0 but for a 1 in the middle of either kernel, at (place, place)."""
    made = CascadeFeatureFusion(1, 1, 1, kind=kind)
    for part in (made.project_coarse, made.project_fine):
        part.bn = nn.Identity()  # type: ignore[assignment]
        nn.init.zeros_(part.conv.weight)
    made.project_coarse.conv.weight.data[0, 0, place, place] = 1
    nn.init.ones_(made.project_fine.conv.weight)
    return made


def map_of(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


@pytest.mark.parametrize(("kind", "place"), [("cff", 1), ("bilinear", 0)])
def test_both_units_that_resize_add_what_was_resized(kind: str, place: int) -> None:
    fused = unit(kind, place)(map_of((0, 4)), torch.full((1, 1, 1, 4), -2.0))
    assert fused.tolist() == [[[[0, 0, 1, 2]]]]  # 0, 1, 3, 4 are bilinear


@pytest.mark.parametrize(("kind", "place"), [("deconv3", 1), ("deconv5", 2), ("deconv7", 3)])
def test_a_transposed_convolution_puts_each_pixel_at_twice_its_place(kind: str, place: int) -> None:
    joined = unit(kind, place)(
        map_of((1, 2), (3, 4)), torch.ones(1, 1, 3, 4)
    )  # 2 x 2 rows were 3 before they were halved
    assert joined.tolist() == [[[[2, 1, 3, 1], [1, 1, 1, 1], [4, 1, 5, 1]]]]


@pytest.mark.parametrize("kind", FUSIONS)
def test_a_cascade_of_any_unit_keeps_the_sizes_of_its_stages_and_every_weight_learns(kind: str) -> None:
    net = ICNet(resnet18(width=0.125), 3, 16, fusion=kind)
    for height, width in SIZES:
        stages = net.cascade(torch.randn(2, 3, height, width))
        assert [stage.shape[-2:] for stage in stages] == [(-(-height // s), -(-width // s)) for s in (16, 8, 4)]
    stages.sub124.sum().backward()
    assert net.cff24.project_coarse.conv.weight.grad is not None
    decaying = parameter_groups(net, frozenset(), 0.1, 1e-4, 1.0)[0]["params"]
    assert any(p is net.cff124.project_coarse.conv.weight for p in decaying)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="fusion is 'sum': choose one of cff, deconv3, deconv5, deconv7, bilinear"):
        ICNet(resnet18(width=0.125), 3, fusion="sum")
