"""The last resize and the argmax in one pass give what the two give one after the other."""

from __future__ import annotations

import pytest
import torch

from icnet.model.label_map import dense_map, sparse_map, to_label_map
from icnet.model.layers import Resize


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(160, 200), (157, 199), (40, 50)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_label_map_is_the_argmax_of_the_enlarged_logits(
    size: tuple[int, int], align_corners: bool, dtype: torch.dtype
) -> None:
    logits = torch.randn(2, 5, 40, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    resize = Resize(align_corners)
    label_map = to_label_map(logits, size, resize)
    assert label_map.dtype == torch.uint8
    assert torch.equal(label_map, resize(logits.float(), size).argmax(dim=1).to(torch.uint8))


def test_of_equal_logits_the_first_class_counts() -> None:
    assert to_label_map(torch.zeros(1, 3, 8, 8), (32, 32), Resize()).max() == 0


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("stride", [4, 8, 16])
def test_interpolating_mixed_cells_alone_changes_no_pixel_at_any_size(stride: int, align_corners: bool) -> None:
    generator, resize = torch.Generator().manual_seed(0), Resize(align_corners)
    for height in (32, 33, 47, 64, 97):
        for width in (32, 50, 65):
            size = (height, width)
            coarse = torch.randn(2, 5, 5, 5, generator=generator)  # smooth, so that some cells are of one class
            logits = Resize()(coarse, tuple(-(-n // stride) for n in size))
            assert torch.equal(sparse_map(logits, size, resize), dense_map(logits, size, resize)), size


def test_a_class_that_wins_at_no_corner_wins_between_them() -> None:
    """Two corners of 3 and 0 against 1.9 everywhere: halfway the third class is larger."""
    logits = torch.tensor([[[[3.0, 0.0]], [[0.0, 3.0]], [[1.9, 1.9]]]])
    assert sparse_map(logits, (1, 8), Resize()).tolist() == [[[0, 0, 0, 2, 2, 1, 1, 1]]]
    assert dense_map(logits, (1, 8), Resize()).tolist() == [[[0, 0, 0, 2, 2, 1, 1, 1]]]
