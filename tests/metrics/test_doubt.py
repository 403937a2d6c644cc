"""How unsure a network is of a frame, in numbers that can be worked out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from icnet.metrics.doubt import measure_doubt
from icnet.model.layers import Resize

RESIZE = Resize(align_corners=False)
SURE = 50.0


def stage(*winners: int, classes: int = 4) -> Tensor:
    """Logits (1, classes, 1, pixels) that are sure of these classes; -1: a guess."""
    logits = torch.zeros(1, classes, 1, len(winners))
    for pixel, winner in enumerate(winners):
        if winner >= 0:
            logits[0, winner, 0, pixel] = SURE
    return logits


def test_stages_that_are_sure_of_the_same_leave_no_doubt() -> None:
    doubt = measure_doubt([stage(0, 1), stage(0, 1), stage(0, 1)], RESIZE)
    assert doubt.entropy == pytest.approx(0, abs=1e-6)
    assert (doubt.differing, doubt.pair) == (0, None)


def test_a_guess_has_an_entropy_of_one_without_any_difference() -> None:
    doubt = measure_doubt([stage(-1, 1)] * 2, RESIZE)
    assert doubt.entropy == pytest.approx(0.5, abs=1e-6)
    assert doubt.differing == 0


def test_stages_that_are_sure_of_different_classes_leave_doubt_all_the_same() -> None:
    """Two classes of four at one half each: log 2 of log 4, in two pixels of three."""
    doubt = measure_doubt([stage(3, 2, 0), stage(1, 2, 3)], RESIZE)
    assert doubt.entropy == pytest.approx(2 / 3 * math.log(2) / math.log(4), abs=1e-6)
    assert doubt.differing == pytest.approx(2 / 3)


def test_the_pair_is_the_commonest_whichever_stage_says_which() -> None:
    doubt = measure_doubt([stage(3, 1, 0, 2), stage(3, 1, 2, 2), stage(1, 3, 2, 2)], RESIZE)
    assert doubt.pair == (1, 3)
    assert doubt.differing == pytest.approx(3 / 4)


def test_earlier_stages_are_brought_to_the_size_of_the_last() -> None:
    doubt = measure_doubt([stage(1), stage(1, 1, 1, 2)], RESIZE)
    assert doubt.differing == pytest.approx(1 / 4)


def test_a_network_with_one_exit_doubts_by_itself() -> None:
    doubt = measure_doubt([stage(-1, 0)], RESIZE)
    assert (doubt.entropy, doubt.differing, doubt.pair) == (pytest.approx(0.5, abs=1e-6), 0, None)
