from __future__ import annotations

import colorsys
from typing import Any

import albumentations
import numpy as np
import pytest

from icnet.data.jitter import LUMA, ColorJitter
from icnet.data.jitter import change_contrast as change_contrast_here
from icnet.data.jitter import turn_hue as turn_hue_here

Array = np.ndarray[Any, np.dtype[Any]]
IN_ORDER = [0, 1, 2, 3]  # of albumentations' steps: brightness, contrast, saturation, hue


def change_contrast(image: Array, brightness: float, contrast: float, saturation: float) -> Array:
    out = image.copy()
    change_contrast_here(out, brightness, contrast, saturation)
    return out


def turn_hue(image: Array, turn: float) -> Array:
    out = image.copy()
    turn_hue_here(out, turn)
    return out


def jittered(image: Array, jitter: ColorJitter, seed: int) -> Array:
    out = image.copy()
    jitter(out, np.random.default_rng(seed))
    return out


def muted() -> Array:
    """Colours of 64 to 160: no factor of 0.7 to 1.3 takes them out of 0..255."""
    return np.random.default_rng(0).integers(64, 161, (64, 64, 3), np.uint8)


def colours() -> Array:
    return np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)


def distance(first: Array, second: Array) -> Array:
    return np.abs(first.astype(int) - second)


@pytest.mark.parametrize(
    ("brightness", "contrast", "saturation"),
    [(1.3, 1, 1), (0.7, 1, 1), (1, 1.3, 1), (1, 0.7, 1), (1, 1, 1.3), (1, 1, 0), (0.9, 1.2, 0.8), (1.1, 0.8, 1.2)],
)
def test_one_matrix_does_what_albumentations_does_in_three_steps(
    brightness: float, contrast: float, saturation: float
) -> None:
    """Each of its steps rounds down: together they lie up to 3 of 255 levels below."""
    theirs = albumentations.ColorJitter().apply(muted(), brightness, contrast, saturation, 0, IN_ORDER)
    assert distance(change_contrast(muted(), brightness, contrast, saturation), theirs).max() <= 3


@pytest.mark.parametrize("turn", [0.05, 0.0138, -0.1, 0.25, 0.5])
def test_the_hue_is_turned_as_by_albumentations(turn: float) -> None:
    """It cuts off where we round, so that the two are up to one of 180 steps apart: 255 / 30 levels."""
    theirs = albumentations.ColorJitter().apply(colours(), 1, 1, 1, turn, IN_ORDER)
    gaps = distance(turn_hue(colours(), turn), theirs)
    assert gaps.mean() < 1.5
    assert gaps.max() <= 9


def test_the_hue_is_turned_as_on_paper() -> None:
    image = colours()
    exact = [
        colorsys.hsv_to_rgb((h + 0.3) % 1, s, v)
        for h, s, v in (colorsys.rgb_to_hsv(*(pixel / 255)) for pixel in image.reshape(-1, 3))
    ]
    gaps = distance(turn_hue(image, 0.3), np.round(255 * np.array(exact)).reshape(image.shape))
    assert gaps.mean() < 1
    assert gaps.max() <= 9


def test_numbers_that_can_be_worked_out_by_hand() -> None:
    image = np.array([[[100, 100, 100], [50, 50, 50]]], np.uint8)
    assert change_contrast(image, 2, 1, 1).tolist() == [[[200] * 3, [100] * 3]]
    assert change_contrast(image, 1, 0.2, 1).tolist() == [[[80] * 3, [70] * 3]]  # 15 and 5 from the mean of 75
    red = np.array([[[200, 0, 0]]], np.uint8)
    assert change_contrast(red, 1, 1, 0).tolist() == [[[60] * 3]]  # 0.299 * 200
    assert turn_hue(red, 1 / 3).tolist() == [[[0, 200, 0]]]
    assert turn_hue(red, 0.5).tolist() == [[[0, 200, 200]]]
    assert turn_hue(red, -1 / 3).tolist() == [[[0, 0, 200]]]


def test_what_is_too_bright_becomes_white_and_does_not_wrap() -> None:
    assert change_contrast(np.full((2, 2, 3), 200, np.uint8), 1.5, 1, 1).min() == 255


def test_no_turn_and_factors_of_1_change_next_to_nothing() -> None:
    assert distance(change_contrast(colours(), 1, 1, 1), colours()).max() <= 1
    assert distance(turn_hue(colours(), 0), colours()).mean() < 1


def test_the_factors_are_uniform_in_their_ranges() -> None:
    """Grey stays grey, so that one pixel tells the brightness: 100 * u with u in 0.6..1.4."""
    jitter, grey = ColorJitter(brightness=0.4), np.full((1, 1, 3), 100, np.uint8)
    drawn = np.array([jittered(grey, jitter, seed)[0, 0, 0] for seed in range(4000)])
    assert 60 <= drawn.min() < 61
    assert 139 < drawn.max() <= 140
    assert drawn.mean() == pytest.approx(100, abs=1.2)
    assert np.histogram(drawn, 8, (60, 140))[0] == pytest.approx([500] * 8, abs=80)


def test_a_range_wider_than_1_never_takes_a_negative_factor() -> None:
    jitter, grey = ColorJitter(brightness=3), np.full((1, 1, 3), 60, np.uint8)
    drawn = [int(jittered(grey, jitter, seed)[0, 0, 0]) for seed in range(300)]
    assert min(drawn) >= 0
    assert sum(d == 0 for d in drawn) < 5  # of 0..4, not of -2..4


def test_hues_turn_both_ways() -> None:
    jitter, red = ColorJitter(hue=0.1), np.array([[[200, 0, 0]]], np.uint8)
    turned = [jittered(red, jitter, seed)[0, 0].tolist() for seed in range(100)]
    towards_yellow, towards_pink = (sum(pixel[channel] > 20 for pixel in turned) for channel in (1, 2))
    assert min(towards_yellow, towards_pink) > 25


def test_without_ranges_nothing_changes_and_nothing_is_drawn() -> None:
    rng, image = np.random.default_rng(0), colours()
    ColorJitter()(image, rng)
    assert np.array_equal(image, colours())
    assert rng.random() == np.random.default_rng(0).random()


def test_grey_keeps_its_mean_under_contrast_and_saturation() -> None:
    image = muted()
    out = change_contrast(image, 1, 1.2, 0.7)
    assert (out.reshape(-1, 3) @ LUMA).mean() == pytest.approx((image.reshape(-1, 3) @ LUMA).mean(), abs=0.5)
