"""Frames of another size than that of a file: whole numbers decide, so that C++ and every processor give the same bytes."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from icnet.engines.exported import nearest, resize_frames


def blend(row: list[int], after: int) -> list[Fraction]:
    """Bilinear resizing of a row, exactly."""
    made = []
    for i in range(after):
        place = max(Fraction(2 * i + 1, 2) * len(row) / after - Fraction(1, 2), Fraction(0))
        first = int(place)
        second = min(first + 1, len(row) - 1)
        made.append(row[first] + (place - first) * (row[second] - row[first]))
    return made


@pytest.mark.parametrize("after", [34, 45, 61, 96, 150])
def test_a_resized_frame_is_rounded_half_up_from_the_exact_values(after: int) -> None:
    row = torch.randint(0, 256, (64,), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    frames = row[None, None, :, None].expand(1, 5, 64, 3)
    expected = [int(value + Fraction(1, 2)) for value in blend(row.tolist(), after)]
    made = resize_frames(frames, (3, after))
    assert made.shape == (1, 3, after, 3)
    assert (made == torch.tensor(expected)[:, None]).all()


def test_the_nearest_place_is_exact_on_a_boundary() -> None:
    assert nearest(4, 6).tolist() == [0, 1, 1, 2, 3, 3]  # the centre of place 1 lies at 1.5 * 4 / 6 = 1
    for before, after in ((226, 381), (104, 401), (16, 460)):  # where floats err
        centres = [(i + Fraction(1, 2)) * before / after for i in range(after)]
        assert nearest(before, after).tolist() == [int(centre) for centre in centres]
