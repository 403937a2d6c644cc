from __future__ import annotations

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from icnet.model.layers import ConvBN, ConvBNReLU, Resize, half, sample_labels, stage_size


def sampled_rows(height: int, rows: int, align_corners: bool = False) -> list[int]:
    """Which of `height` label rows the rows of a stage stand for."""
    labels = torch.arange(height)[None, :, None]
    return sample_labels(labels, (rows, 1), align_corners)[0, :, 0].tolist()


def test_a_stage_pixel_stands_for_the_label_in_the_middle_of_its_area() -> None:
    assert sampled_rows(32, 2) == [8, 24]
    assert sampled_rows(16, 4) == [2, 6, 10, 14]
    assert sampled_rows(33, 3) == [5, 16, 27]


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_labels_are_sampled_as_nearest_exact_does_at_every_size(stride: int) -> None:
    for height in [*range(32, 300), 360, 480, 713, 720, 1024, 1025, 2048, 2049]:
        rows = -(-height // stride)
        expected = F.interpolate(torch.arange(height, dtype=torch.float64)[None, None], rows, mode="nearest-exact")
        assert sampled_rows(height, rows) == expected[0, 0].long().tolist(), height


def test_labels_are_sampled_without_rounding_errors_of_floats() -> None:
    for height in range(32, 200, 5):
        for rows in range(1, 33):
            exact = [int((i + Fraction(1, 2)) * height / rows) for i in range(rows)]
            assert sampled_rows(height, rows) == exact, (height, rows)


def test_with_aligned_corners_the_outer_stage_pixels_stand_for_the_outer_labels() -> None:
    assert sampled_rows(65, 5, align_corners=True) == [0, 16, 32, 48, 64]
    assert sampled_rows(33, 9, align_corners=True) == [0, 4, 8, 12, 16, 20, 24, 28, 32]
    assert sampled_rows(12, 4, align_corners=True) == [0, 4, 7, 11]
    assert sampled_rows(40, 1, align_corners=True) == [0]


@pytest.mark.parametrize("align_corners", [False, True])
def test_sampled_labels_are_never_a_blend(align_corners: bool) -> None:
    labels = torch.tensor([3, 18, 255], dtype=torch.uint8)[torch.randint(3, (2, 45, 67))]
    sampled = sample_labels(labels, (3, 5), align_corners)
    assert sampled.shape == (2, 3, 5)
    assert sampled.dtype == torch.uint8
    assert set(sampled.unique().tolist()) <= {3, 18, 255}


def test_rows_and_columns_are_sampled_each_by_their_own_length() -> None:
    labels = torch.arange(32)[:, None] * 100 + torch.arange(64)[None, :]
    assert sample_labels(labels[None], (2, 2))[0].tolist() == [[816, 848], [2416, 2448]]


@pytest.mark.parametrize("align_corners", [False, True])
def test_labels_are_taken_where_the_final_resize_puts_a_stage_pixel(align_corners: bool) -> None:
    """A stage that is right at its own pixels is right there too once it is enlarged."""
    height, rows = 65, 5
    stage = torch.arange(rows, dtype=torch.float32)[None, None, :, None]
    enlarged = Resize(align_corners)(stage, (height, 1))[0, 0, :, 0]
    at = enlarged[sampled_rows(height, rows, align_corners)]
    assert torch.allclose(at, stage.flatten(), atol=0.5 * rows / height)


@pytest.mark.parametrize(("align_corners", "expected"), [(False, [0.0, 0.25, 0.75, 1.0]), (True, [0, 1 / 3, 2 / 3, 1])])
def test_resizing_follows_align_corners(align_corners: bool, expected: list[float]) -> None:
    ramp = torch.tensor([0.0, 1.0])[None, None, None]
    assert torch.allclose(Resize(align_corners)(ramp, (1, 4)).flatten(), torch.tensor(expected))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    x = torch.randn(1, 2, 5, 7)
    assert torch.equal(Resize()(x, (5, 7)), x)


def test_half_and_stage_sizes_are_rounded_up() -> None:
    assert half((1025, 2048)) == (513, 1024)
    assert stage_size(torch.empty(1, 3, 33, 64), 4) == (9, 16)
    assert stage_size(torch.empty(1, 3, 33, 64), 16) == (3, 4)


@pytest.mark.parametrize("size", [(32, 32), (33, 41)])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (1, 2, 1), (3, 1, 4), (3, 2, 1), (7, 2, 1)])
def test_a_convolution_divides_the_size_by_its_stride_and_rounds_up(
    size: tuple[int, int], kernel: int, stride: int, dilation: int
) -> None:
    out: Tensor = ConvBN(3, 2, kernel, stride, dilation).eval()(torch.randn(1, 3, *size))
    assert out.shape == (1, 2, -(-size[0] // stride), -(-size[1] // stride))


def test_only_the_block_with_relu_cuts_negative_values() -> None:
    x = torch.randn(2, 4, 8, 8)
    assert ConvBN(4, 4, 1)(x).min() < 0
    assert ConvBNReLU(4, 4, 1)(x).min() == 0
