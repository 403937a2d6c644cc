"""Class weights, against numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from icnet.data.class_weights import weigh, weigh_frames
from icnet.errors import ConfigError

# Two images of 100 pixels: road in both, car in the second alone, bus nowhere; 20 pixels of the first are ignored
COUNTS = np.array([[80, 0, 0, 20], [60, 40, 0, 0]])


def test_a_frequency_is_taken_over_the_images_in_which_the_class_occurs() -> None:
    """Road 140 of 200, car 40 of 100 (and not of 200): the median is 0.55."""
    assert weigh(COUNTS, "median_frequency") == pytest.approx([0.55 / 0.7, 0.55 / 0.4, 0.0])


def test_a_share_is_taken_over_all_labelled_pixels() -> None:
    """Road 140 of 180, car 40 of 180."""
    assert weigh(COUNTS, "log") == pytest.approx([1 / np.log(1.02 + 7 / 9), 1 / np.log(1.02 + 2 / 9), 0.0])


@pytest.mark.parametrize("kind", ["median_frequency", "log"])
def test_where_nothing_is_labelled_every_weight_is_0(kind: str) -> None:
    assert weigh(np.array([[0, 0, 50]]), kind) == [0.0, 0.0]


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ConfigError, match="'median'"):
        weigh(COUNTS, "median")


def test_frames_weigh_as_much_as_their_rarest_class() -> None:
    """Road is in four of four images, car in one: sqrt(4 / 1). A class that occurs nowhere says nothing."""
    counts = np.array([[90, 0, 0, 10], [60, 40, 0, 0], [100, 0, 0, 0], [5, 0, 0, 95]])
    assert weigh_frames(counts).tolist() == [1, 2, 1, 1]


def test_frames_without_labels_weigh_as_little_as_any() -> None:
    assert weigh_frames(np.array([[0, 0, 9], [4, 5, 0]])).tolist() == pytest.approx([1, 2**0.5])
