from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from icnet.model.ppm import PyramidPooling, pool_bins


def windows(length: int, bins: int) -> tuple[list[float], list[float]]:
    """(centres, kernels) of the pooled regions along the rows of a map, measured from the outside.

    Over k neighbouring rows the mean of the row number is the centre and its variance (k^2 - 1) / 12.
    """
    rows = torch.arange(length, dtype=torch.float64)[:, None].expand(length, length)
    pooled = pool_bins(torch.stack([rows, rows**2])[None], bins)[0, :, :, 0]
    kernels = (12 * (pooled[1] - pooled[0] ** 2) + 1).sqrt()
    return pooled[0].tolist(), kernels.tolist()


def evenly(kernel: int, stride: int, bins: int) -> tuple[list[float], list[float]]:
    return [i * stride + (kernel - 1) / 2 for i in range(bins)], [kernel] * bins


@pytest.mark.parametrize(
    ("length", "bins", "kernel", "stride"),
    [
        (33, 1, 33, 33), (33, 2, 17, 16), (33, 3, 13, 10), (33, 6, 8, 5),
        (65, 1, 65, 65), (65, 2, 33, 32), (65, 3, 25, 20), (65, 6, 15, 10),
    ],
)  # fmt: skip
def test_regions_at_33_and_65_are_the_authors(length: int, bins: int, kernel: int, stride: int) -> None:
    centers, kernels = windows(length, bins)
    expected_centers, expected_kernels = evenly(kernel, stride, bins)
    assert centers == pytest.approx(expected_centers)
    assert kernels == pytest.approx(expected_kernels, rel=1e-6)


@pytest.mark.parametrize("length", [6, 12, 36, 60])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_regions_of_multiples_of_six_do_not_overlap(length: int, bins: int) -> None:
    x = torch.randn(1, 2, length, length, dtype=torch.float64)
    assert torch.allclose(pool_bins(x, bins), F.avg_pool2d(x, length // bins))


@pytest.mark.parametrize("size", [(5, 5), (1, 1), (5, 40), (40, 3)])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_below_six_rows_or_columns_pooling_is_adaptive(size: tuple[int, int], bins: int) -> None:
    x = torch.randn(1, 2, *size)
    assert torch.equal(pool_bins(x, bins), F.adaptive_avg_pool2d(x, bins))


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_every_row_is_pooled_and_every_bin_filled_at_any_length(bins: int) -> None:
    for length in range(6, 80):
        x = torch.ones(1, 1, length, length, requires_grad=True)
        pooled = pool_bins(x, bins)
        assert pooled.shape == (1, 1, bins, bins)
        pooled.sum().backward()
        assert x.grad is not None
        assert (x.grad > 0).all(), length


def test_a_constant_map_becomes_five_times_itself_before_the_projection() -> None:
    ppm = PyramidPooling(2, 2).eval()
    torch.nn.init.dirac_(ppm.project.conv.weight)
    out: Tensor = ppm(torch.full((1, 2, 9, 13), 3.0))
    assert torch.allclose(out, torch.full((1, 2, 9, 13), 15.0), rtol=1e-4)
