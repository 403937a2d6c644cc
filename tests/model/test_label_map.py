"""The last resize and the argmax in one pass give what the two give one after the other."""

from __future__ import annotations

import pytest
import torch

from icnet.model.label_map import to_label_map
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
