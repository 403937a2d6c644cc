from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from icnet.streets.scene import draw_street

ensemble = pytest.importorskip("sklearn.ensemble")

SIZE = (256, 512)
CLASSES = (7, 8, 11, 17, 20, 21, 23, 24, 25, 26)


def pixels_of(frames: range, count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Red, green, blue and height in the frame of `count` random pixels of each frame, with their labels."""
    rng = np.random.default_rng(frames.start)
    features: list[Any] = []
    labels: list[Any] = []
    for index in frames:
        street = draw_street(0, index, SIZE)
        y, x = rng.integers(0, SIZE[0], count), rng.integers(0, SIZE[1], count)
        features.append(np.column_stack([street.image[y, x], y / SIZE[0]]).astype(np.float32))
        labels.append(street.label_ids[y, x])
    return np.concatenate(features), np.concatenate(labels)


@pytest.mark.slow
def test_colour_and_height_of_single_pixels_do_not_tell_the_classes_apart() -> None:
    train, expected = pixels_of(range(0, 400, 2), 500)
    val, truth = pixels_of(range(1, 81, 2), 1500)
    forest = ensemble.RandomForestClassifier(n_estimators=50, random_state=0, n_jobs=1).fit(train, expected)
    guess = forest.predict(val)
    ious = [((guess == c) & (truth == c)).sum() / ((guess == c) | (truth == c)).sum() for c in CLASSES]
    assert np.mean(ious) < 0.35


@pytest.mark.slow
def test_nearly_every_frame_shows_every_class() -> None:
    shown = [np.bincount(draw_street(0, index, SIZE).label_ids.ravel(), minlength=27) > 50 for index in range(60)]
    assert np.mean(shown, axis=0)[list(CLASSES)].min() > 0.85
