"""A share of the training frames: nested, spread evenly, always the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from icnet.data.samples import Sample
from icnet.data.subset import take_share

FRAMES = [Sample(Path(f"{n}.png"), Path(f"{n}_label.png")) for n in range(367)]


def places(share: float, length: int = 367) -> list[int]:
    return [FRAMES.index(sample) for sample in take_share(FRAMES[:length], share)]


def test_an_eighth_is_every_eighth_frame_and_half_every_second() -> None:
    assert places(1 / 8, 16) == [0, 8]
    assert places(1 / 2, 16) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert places(1 / 8) == list(range(0, 367, 8))
    assert places(1) == list(range(367))


@pytest.mark.parametrize("length", [1, 2, 5, 100, 367])
def test_each_share_holds_the_smaller_ones(length: int) -> None:
    before: list[int] = []
    for share in (0.01, 0.125, 0.2, 0.25, 0.5, 0.9, 1.0):
        now = places(share, length)
        assert len(now) == max(1, round(share * length))
        assert set(before) <= set(now)
        before = now


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.7])
def test_no_part_of_the_split_is_left_out(share: float) -> None:
    chosen = places(share)
    gaps = [b - a for a, b in zip(chosen, [*chosen[1:], 367], strict=True)]
    assert max(gaps) <= 2 / share + 1  # at most twice the even distance: some are cut in two before others
