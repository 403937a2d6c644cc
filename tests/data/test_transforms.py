from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from icnet.data.transforms import FILL, Augment
from icnet.data.windows import draw_window
from icnet.errors import ConfigError

Array = np.ndarray[Any, np.dtype[Any]]


def noise(height: int, width: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (height, width, 3), np.uint8), rng.choice([0, 7, 200, 255], (height, width)).astype(
        "u1"
    )


def coordinates(height: int, width: int) -> tuple[Array, Array, Array]:
    """An image of (row, column, 77), and the label maps of the rows and of the columns."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.dstack([rows, columns, np.full_like(rows, 77)]), rows, columns


def equal(first: tuple[Array, Array], second: tuple[Array, Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def largest_gap(first: Array, second: Array) -> float:
    """The Kolmogorov-Smirnov distance of two samples."""
    at = np.union1d(first, second)
    return float(
        np.abs(
            np.searchsorted(np.sort(first), at, "right") / len(first)
            - np.searchsorted(np.sort(second), at, "right") / len(second)
        ).max()
    )


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_the_key_decides_everything(jitter: float) -> None:
    frame = noise(60, 80)
    augment = Augment((48, 64), brightness=jitter, saturation=jitter)
    first = augment(*frame, (3, 1, 5))
    augment(*frame, (3, 1, 6))
    random.seed(9)
    np.random.seed(9)  # noqa: NPY002
    torch.manual_seed(9)
    assert equal(augment(*frame, (3, 1, 5)), first)
    assert equal(Augment((48, 64), brightness=jitter, saturation=jitter)(*frame, (3, 1, 5)), first)


@pytest.mark.parametrize("key", [(4, 1, 5), (3, 2, 5), (3, 1, 6)])
def test_another_seed_epoch_or_sample_gives_another_result(key: tuple[int, int, int]) -> None:
    frame, augment = noise(60, 80), Augment((48, 64))
    assert not equal(augment(*frame, key), augment(*frame, (3, 1, 5)))


@pytest.mark.parametrize("key", [(4, 1, 5), (3, 2, 5), (3, 1, 6)])
def test_colours_change_with_the_key_too_and_labels_do_not(key: tuple[int, int, int]) -> None:
    image, label = np.full((64, 64, 3), (120, 60, 30), np.uint8), np.full((64, 64), 7, np.uint8)
    augment = Augment((64, 64), scale=(1, 1), brightness=0.5, contrast=0.2, saturation=0.2, hue=0.1)
    first, second = augment(image, label, (3, 1, 5)), augment(image, label, key)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], image)
    assert np.array_equal(first[1], label)


def test_a_share_of_the_samples_keeps_its_light() -> None:
    image, label = np.full((64, 64, 3), (120, 60, 30), np.uint8), np.full((64, 64), 7, np.uint8)
    augment = Augment((64, 64), scale=(1, 1), brightness=0.5, jitter=0.25)
    kept = sum(np.array_equal(augment(image, label, (0, 0, sample))[0], image) for sample in range(200))
    assert 130 < kept < 170


@pytest.mark.parametrize("size", [(40, 50), (96, 128), (33, 200)])
@pytest.mark.parametrize("crop", [(48, 64), (64, 48), (32, 33)])
def test_the_crop_has_its_exact_size_and_kind_whatever_is_drawn(size: tuple[int, int], crop: tuple[int, int]) -> None:
    frame, augment = noise(*size), Augment(crop)
    for sample in range(30):
        image, label = augment(*frame, (0, 0, sample))
        assert image.shape == (*crop, 3)
        assert label.shape == crop
        assert image.dtype == label.dtype == np.uint8


def test_labels_are_never_blended() -> None:
    frame, augment = noise(60, 80), Augment((64, 64))
    for sample in range(50):
        assert set(augment(*frame, (0, 0, sample))[1].ravel().tolist()) <= {0, 7, 200, 255}


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_padding_is_ignored_in_the_label_and_never_class_0(flip: float) -> None:
    image, label = np.full((40, 60, 3), 9, np.uint8), np.zeros((40, 60), np.uint8)
    augment = Augment((64, 96), scale=(0.5, 0.5), flip=flip)
    for sample in range(10):
        out, mask = augment(image, label, (0, 0, sample))
        assert (mask == 0).sum() == 20 * 30
        assert (mask == 255).sum() == 64 * 96 - 20 * 30
        assert np.array_equal(out == 9, np.repeat((mask == 0)[..., None], 3, axis=2))
        assert set(map(tuple, out[mask == 255].tolist())) == {FILL}


def test_padding_is_0_once_normalised() -> None:
    assert pytest.approx([255 * mean for mean in (0.485, 0.456, 0.406)], abs=0.5) == list(FILL)


def test_a_frame_that_is_smaller_along_one_axis_is_padded_along_that_axis_alone() -> None:
    augment = Augment((64, 32), scale=(1, 1), flip=0)
    _, label = augment(np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8), (0, 0, 0))
    assert sorted((label == 0).sum(axis=0).tolist()) == [40] * 32


def test_a_small_frame_may_lie_anywhere_in_the_crop() -> None:
    augment = Augment((34, 33), scale=(1, 1), flip=0)
    image, label = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    places = set()
    for sample in range(60):
        rows, columns = np.nonzero(augment(image, label, (0, 0, sample))[1] == 0)
        places.add((int(rows.min()), int(columns.min())))
    assert places == {(row, column) for row in range(3) for column in range(2)}


def test_scale_1_and_the_size_of_the_frame_change_nothing_but_the_side() -> None:
    image, label = noise(40, 50)
    same, mirrored = (Augment((40, 50), scale=(1, 1), flip=flip)(image, label, (0, 0, 0)) for flip in (0, 1))
    assert equal(same, (image, label))
    assert equal(mirrored, (image[:, ::-1], label[:, ::-1]))


def test_about_half_of_the_samples_are_mirrored() -> None:
    image, label = noise(32, 32)
    augment = Augment((32, 32), scale=(1, 1))
    mirrored = sum(not np.array_equal(augment(image, label, (0, 0, s))[0], image) for s in range(400))
    assert 160 < mirrored < 240


def test_the_frame_itself_is_left_as_it_was() -> None:
    frame = noise(60, 80)
    before = tuple(part.copy() for part in frame)
    Augment((48, 64), brightness=0.5)(*frame, (0, 0, 0))
    assert equal(frame, before)


@pytest.mark.parametrize("size", [(32, 64), (64, 32), (128, 96)])
def test_a_base_brings_the_shorter_side_of_any_frame_to_that_length_at_factor_1(size: tuple[int, int]) -> None:
    augment = Augment((192, 192), scale=(1, 1), base=48, flip=0)
    _, label = augment(np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8), (0, 0, 0))
    rows, columns = (np.ptp(places) + 1 for places in np.nonzero(label == 0))
    assert (rows, columns) == tuple(48 * n // min(size) for n in size)


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_image_and_label_stay_registered(axis: int, flip: float) -> None:
    """Every pixel says the row and column that it comes from, in the image and in the label."""
    image, *labels = coordinates(120, 160)
    augment = Augment((64, 80), flip=flip)
    for sample in range(40):
        out, label = augment(image, labels[axis], (0, 0, sample))
        inside = out[..., 2] == 77
        difference = out[..., axis].astype(float)[inside] - label[inside]
        assert (label[~inside] == 255).all()
        assert np.abs(difference).max() <= 1
        assert abs(difference.mean()) < 0.3


def test_cutting_before_scaling_equals_scaling_before_cutting() -> None:
    """Against the plain way: scale the whole frame, then cut the crop where the window was."""
    image, rows, _ = coordinates(200, 250)
    augment = Augment((64, 96), flip=0)
    compared = 0
    for sample in range(60):
        out, _ = augment(image, rows, (0, 0, sample))
        window = draw_window((200, 250), (64, 96), (0.5, 2.0), np.random.default_rng([0, 0, sample]))
        if window.scaled != (64, 96):
            continue
        factors = window.scaled[0] / window.height, window.scaled[1] / window.width
        whole = cv2.resize(image, None, fx=factors[1], fy=factors[0], interpolation=cv2.INTER_LINEAR)
        top, left = round(window.top * factors[0]), round(window.left * factors[1])
        plain = whole[top : top + 64, left : left + 96]
        assert plain.shape == out.shape
        assert np.abs(plain.astype(int) - out).max() <= 2
        compared += 1
    assert compared > 30


def plain_way(length: int, wanted: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """(factor, first and last source coordinate) of one axis when the frame is scaled, then cropped at random."""
    factor = rng.uniform(0.5, 2.0)
    scaled = round(length * factor)
    start = rng.integers(scaled - wanted + 1) if scaled > wanted else 0
    return factor, start / factor, min((start + wanted) / factor, length)


@pytest.mark.parametrize(("length", "wanted"), [(256, 128), (128, 128), (100, 150)])
def test_windows_are_distributed_as_by_scaling_and_then_cropping(length: int, wanted: int) -> None:
    """Two samples of 10000 from one distribution are further than 0.0276 apart in 1 of 1000 cases; edges are whole
    pixels, which moves each of them by up to a half."""
    count = 10_000
    rng = np.random.default_rng(0)
    plain = np.array([plain_way(length, wanted, rng) for _ in range(count)]).T
    windows = [draw_window((length, length), (wanted, wanted), (0.5, 2.0), rng) for _ in range(count)]
    factors = np.array([w.scaled[0] / w.height for w in windows])
    starts = np.array([w.top for w in windows]) + rng.uniform(-0.5, 0.5, count)
    ends = np.array([w.top + w.height for w in windows]) + rng.uniform(-0.5, 0.5, count)
    blur = rng.uniform(-0.5, 0.5, (2, count))
    assert largest_gap(factors, plain[0]) < 0.0276
    assert largest_gap(starts, plain[1] + blur[0]) < 0.0276
    assert largest_gap(ends, plain[2] + blur[1]) < 0.0276


def test_source_pixels_are_seen_as_often_as_by_scaling_and_then_cropping() -> None:
    rng = np.random.default_rng(1)
    count, length, wanted = 6000, 200, 120
    places = np.arange(length) + 0.5
    plain, ours = np.zeros(length), np.zeros(length)
    for _ in range(count):
        _, start, end = plain_way(length, wanted, rng)
        plain += (places >= start) & (places < end)
        window = draw_window((length, 50), (wanted, 50), (0.5, 2.0), rng)
        ours[window.top : window.top + window.height] += 1
    assert np.abs(plain - ours).max() / count < 0.04


def scale_then_crop(label: Array, wanted: tuple[int, int], rng: np.random.Generator) -> Array:
    """A label map scaled as a whole, then cropped at random and padded."""
    factor = rng.uniform(0.5, 2.0)
    rows, columns = (round(length * factor) for length in label.shape)
    whole = cv2.resize(label, (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT)
    top, left = (rng.integers(max(n - w, 0) + 1) for n, w in zip(whole.shape, wanted, strict=True))
    crop = whole[top : top + wanted[0], left : left + wanted[1]]
    missing = [(0, w - n) for n, w in zip(crop.shape, wanted, strict=True)]
    return np.pad(crop, missing, constant_values=255)


@pytest.mark.parametrize("wanted", [(64, 96), (120, 100)])
def test_classes_have_the_shares_that_they_have_by_scaling_and_then_cropping(wanted: tuple[int, int]) -> None:
    """A class in a corner, one along the lower edge, one in the middle, the rest. Shares of single crops deviate by up to
    0.3, so that the means of 2000 differ by 0.0095 or less: 0.03 is three times that."""
    label = np.zeros((100, 140), np.uint8)
    label[:40, :50], label[80:], label[45:60, 60:90] = 1, 2, 3
    image, rng = np.zeros((*label.shape, 3), np.uint8), np.random.default_rng(0)
    augment, count = Augment(wanted), 2000
    shares = np.zeros((2, 256))
    for _ in range(count):
        shares[0] += np.bincount(augment.scale_crop(image, label, rng)[1].ravel(), minlength=256)
        shares[1] += np.bincount(scale_then_crop(label, wanted, rng).ravel(), minlength=256)
    ours, plain = shares / count / (wanted[0] * wanted[1])
    assert set(np.flatnonzero(ours)) == {0, 1, 2, 3, 255}
    assert np.abs(ours - plain).max() < 0.03
    assert ours[3] == pytest.approx(plain[3], rel=0.1)


def test_every_place_that_fits_is_equally_likely() -> None:
    """At factor 2 a crop of 64 is a window of 32: 65 places in 96 rows, 100 draws each; chi-square over 64 degrees of
    freedom exceeds 104.7 in 1 of 1000 cases."""
    rng = np.random.default_rng(0)
    windows = [draw_window((96, 96), (64, 64), (2.0, 2.0), rng) for _ in range(6500)]
    assert {(w.height, w.width) for w in windows} == {(32, 32)}
    for places in ([w.top for w in windows], [w.left for w in windows]):
        counts = np.bincount(places, minlength=65)
        assert len(counts) == 65
        assert ((counts - 100) ** 2 / 100).sum() < 104.7


def test_rows_and_columns_are_scaled_alike_and_placed_independently() -> None:
    rng = np.random.default_rng(0)
    windows = [draw_window((300, 400), (100, 140), (0.5, 2.0), rng) for _ in range(2000)]
    for window in windows:
        rows, columns = window.scaled[0] / window.height, window.scaled[1] / window.width
        assert rows == pytest.approx(columns, rel=0.02)
    places = np.array([(w.top / (300 - w.height), w.left / (400 - w.width)) for w in windows if w.height < 300])
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.08


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"crop_size": (31, 64)}, r"crop_size is \[31, 64\].*32"),
        ({"crop_size": (64,)}, r"crop_size is \[64\].*height, width"),
        ({"crop_size": 64}, r"crop_size is 64.*height, width"),
        ({"crop_size": (64.5, 64)}, r"crop_size.*64\.5"),
        ({"scale": (2.0, 0.5)}, r"scale is \[2\.0, 0\.5\]"),
        ({"scale": (0.0, 1.0)}, r"scale is \[0\.0, 1\.0\]"),
        ({"scale": (0.5, float("inf"))}, r"scale.*inf"),
        ({"scale": (0.5, float("nan"))}, r"scale.*nan"),
        ({"scale": 1.5}, r"scale is 1\.5"),
        ({"base": 0}, r"base is 0"),
        ({"flip": 1.5}, r"flip is 1\.5"),
        ({"flip": -0.5}, r"flip is -0\.5"),
        ({"jitter": 2}, r"jitter is 2"),
        ({"brightness": -0.5}, r"brightness is -0\.5"),
        ({"contrast": -0.5, "brightness": 0.5}, r"contrast is -0\.5"),
        ({"hue": 0.9}, r"hue is 0\.9"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name_and_value(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.\S*{said}"):
        Augment(**({"crop_size": (64, 64)} | settings))
