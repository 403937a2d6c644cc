"""The queue of regions whose labels a network doubts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from icnet.metrics.disagreement import Disagreements, Region

CLASSES = 3
HEIGHT, WIDTH = 8, 12


def frame(*patches: tuple[slice, slice, int, float], ignored: tuple[slice, slice] | None = None) -> tuple[Tensor, ...]:
    """Prediction, label and probabilities of a frame that is class 0 everywhere, with the given belief in it.

    patches: rows, columns, the predicted class and the belief in label 0 there; elsewhere that is 0.9.
    """
    label = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    shares = torch.tensor([0.9, 0.05, 0.05])[None, :, None, None].repeat(1, 1, HEIGHT, WIDTH)
    for rows, columns, prediction, belief in patches:
        shares[0, :, rows, columns] = 0.0
        shares[0, 0, rows, columns] = belief
        shares[0, prediction, rows, columns] = 1 - belief
    if ignored is not None:
        label[0][ignored] = 255
    return shares.max(1).indices.to(torch.uint8), label, shares


def queue_of(*frames: tuple[Tensor, ...], most: int = 10, least: int = 2) -> list[Region]:
    queue = Disagreements(most, least, CLASSES)
    for place, each in enumerate(frames):
        queue.update(*each, place)
    return queue.best()


A = (slice(0, 2), slice(0, 3), 1, 0.2)
B = (slice(4, 6), slice(2, 6), 2, 0.1)
BESIDE_A = (slice(0, 2), slice(3, 5), 2, 0.3)


def test_regions_of_one_label_and_one_prediction_come_by_how_much_the_label_is_doubted() -> None:
    first, second, third = queue_of(frame(A, B, BESIDE_A))
    assert [region.confidence for region in (first, second, third)] == pytest.approx([0.9, 0.8, 0.7])
    assert [(r.label, r.prediction, r.pixels) for r in (first, second, third)] == [(0, 2, 8), (0, 1, 6), (0, 2, 4)]
    assert (first.top, first.left, first.mask.shape, first.mask.all()) == (4, 2, (2, 4), True)


def test_a_region_of_two_beliefs_has_their_mean() -> None:
    (region,) = queue_of(frame(A, (slice(2, 3), slice(0, 3), 1, 0.05)))
    assert (region.pixels, region.confidence) == (9, pytest.approx(1 - (6 * 0.2 + 3 * 0.05) / 9))


def test_what_touches_by_a_corner_alone_is_two_regions_and_a_mask_has_its_form() -> None:
    corner = (slice(2, 4), slice(3, 5), 1, 0.2)
    assert [r.pixels for r in queue_of(frame(A, corner))] == [6, 4]
    (angle,) = queue_of(frame(A, (slice(2, 4), slice(0, 1), 1, 0.2)))
    assert angle.mask.tolist() == [[True] * 3] * 2 + [[True, False, False]] * 2


def test_small_regions_right_pixels_and_ignored_ones_are_left_out() -> None:
    assert [r.pixels for r in queue_of(frame(A, B), least=7)] == [8]
    assert queue_of(frame()) == []
    (rest,) = queue_of(frame(A, ignored=(slice(0, 2), slice(0, 2))))
    assert (rest.left, rest.mask.shape) == (2, (2, 1))


def test_the_least_is_a_share_of_the_frame_where_nobody_says() -> None:
    label, shares = torch.zeros(1, 64, 64, dtype=torch.uint8), torch.zeros(1, CLASSES, 64, 64)
    prediction = label.clone()
    prediction[0, 0, :2] = prediction[0, 9, 0] = 1
    queue = Disagreements(5, None, CLASSES)
    queue.update(prediction, label, shares, 0)
    assert [region.pixels for region in queue.best()] == [2]  # 4096 / 2048


def test_the_queue_holds_the_best_of_all_frames_and_no_others() -> None:
    beliefs = np.random.default_rng(0).permutation(20) / 50
    frames = [frame((slice(1, 3), slice(1, 4), 1, float(belief))) for belief in beliefs]
    found = queue_of(*frames, most=4)
    assert [region.place for region in found] == np.argsort(beliefs)[:4].tolist()


def test_queues_of_several_processes_make_the_queue_of_one() -> None:
    frames = [frame(A), frame(B), frame(BESIDE_A), frame(A, BESIDE_A)]
    shares = [Disagreements(3, 2, CLASSES) for _ in range(2)]
    for place, each in enumerate(frames):
        shares[place % 2].update(*each, place)
    shares[0].add(shares[1].best())
    ours, alone = shares[0].best(), queue_of(*frames, most=3)
    assert [(r.place, r.top, r.pixels) for r in ours] == [(r.place, r.top, r.pixels) for r in alone]


def test_a_region_is_shown_with_what_is_around_it_and_never_beyond_the_frame() -> None:
    label = torch.zeros(1, 400, 600, dtype=torch.uint8)
    prediction = label.clone()
    prediction[0, 390:400, 300:340] = 1
    queue = Disagreements(1, None, CLASSES)
    queue.update(prediction, label, torch.zeros(1, CLASSES, 400, 600), 0)
    (region,) = queue.best()
    assert (region.rows, region.columns) == (slice(240, 400), slice(240, 400))
    assert region.predicted.sum() == 400
