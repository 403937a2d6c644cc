"""In which order frames are labelled: the unsure ones first, but none that resembles one before it."""

from __future__ import annotations

import numpy as np
import pytest

from icnet.data import order
from icnet.data.order import order_frames


def places(doubts: object, features: object) -> list[int]:
    return [choice.frame for choice in order_frames(doubts, features)]  # type: ignore[arg-type]


def test_identical_frames_do_not_come_together_first() -> None:
    """Fifty of one street, of which the network is least sure, and three others."""
    doubts = [0.9] * 50 + [0.3, 0.2, 0.1]
    features = [[5.0, 5.0]] * 50 + [[0.0, 5.0], [5.0, 0.0], [0.0, 0.0]]
    assert places(doubts, features)[:4] == [0, 50, 51, 52]


def test_of_frames_that_are_equally_new_the_unsure_one_comes_first() -> None:
    square = [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert places([0.2, 0.5, 0.3, 0.9], square) == [3, 1, 2, 0]
    assert places([0.9, 0.3, 0.5, 0.2], square) == [0, 2, 1, 3]


def test_an_odd_frame_gains_nothing_by_being_further_away_than_most() -> None:
    """The last of twelve lies half as far again from all others as these from one another, and is the surest."""
    usual = np.random.default_rng(0).choice([-1.0, 1.0], (11, 64))
    odd = np.full((1, 64), 3.0)
    choices = order_frames([*np.linspace(0.9, 0.8, 11), 0.5], np.concatenate([usual, odd]))
    assert choices[-1].frame == 11
    distances = [choice.distance or 0 for choice in choices[1:]]
    assert distances[-1] > 1.5 * max(distances[:-1])


def test_distance_is_counted_in_those_of_two_frames_drawn_at_random() -> None:
    """Two channels, of which one counts a thousand times as much: of the 16 pairs a quarter differ in both, half in one."""
    first, *others = order_frames([0.9, 0.8, 0.7, 0.6], [[0, 0], [0, 1000], [1, 0], [1, 1000]])
    assert (first.nearest, first.distance) == (None, None)
    assert [other.distance for other in others] == pytest.approx([1, 1, 1])
    assert [other.nearest for other in others] == [0, 0, 1]


def test_a_channel_that_never_changes_and_a_single_frame_do_no_harm() -> None:
    assert places([0.1, 0.2], [[7.0, 1.0], [7.0, 2.0]]) == [1, 0]
    assert places([0.1], [[7.0, 1.0]]) == [0]
    assert places([0.1, 0.3, 0.2], np.zeros((3, 4))) == [1, 0, 2]


def test_what_follows_the_places_that_are_filled_one_by_one_follows_by_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    doubts, features = rng.random(40), rng.normal(size=(40, 8))
    whole = order_frames(doubts, features)
    monkeypatch.setattr(order, "_STEPS", 10)
    short = order_frames(doubts, features)
    assert short[:10] == whole[:10]
    assert sorted(choice.frame for choice in short) == list(range(40))
    worth = [doubts[choice.frame] * min(choice.distance or 0, 1) for choice in short[10:]]
    assert worth == sorted(worth, reverse=True)
    assert {choice.nearest for choice in short[10:]} <= {choice.frame for choice in short[:10]}
