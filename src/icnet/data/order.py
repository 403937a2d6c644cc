"""The order in which frames are worth labelling: the unsure ones first, but none that resembles one before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_STEPS = 1000  # places that are filled one by one

Floats = npt.NDArray[np.float32]


class Choice(NamedTuple):
    """A frame in the order.

    frame: its place among those that were ordered. nearest: that of the frame before it that it resembles most.
    distance: to that one; 1 is the distance of two frames drawn at random (root of the mean square). None for the first.
    """

    frame: int
    nearest: int | None
    distance: float | None


def order_frames(doubts: npt.ArrayLike, features: npt.ArrayLike) -> list[Choice]:
    """All frames: each time the one of the largest doubt, times its distance to the nearest that was taken before up to 1.

    Doubt and distance are joined as in BADGE (Ash et al., ICLR 2020), where a point is the longer the less sure the network
    is, and taken as in the "core-set" (Sener and Savarese, ICLR 2018), farthest first; but what is as far away as another
    frame drawn at random is new enough, or odd frames would come first. Of equal frames the first one keeps its place, the
    others come at the end. So are the first thousand taken; the rest follow by what they are worth beside these.

    doubts: (frames,), at least 0. features: (frames, channels); each channel counts by its own spread.
    """
    doubt, points = np.asarray(doubts, np.float32), _standardise(np.asarray(features, np.float32))
    distance, nearest = np.full(len(points), np.inf, np.float32), np.full(len(points), -1)
    left, squares = np.ones(len(points), bool), (points**2).sum(axis=1)
    order: list[Choice] = []
    while len(order) < min(_STEPS, len(points)):
        frame = int(np.where(left, doubt * np.minimum(distance, 1), -1).argmax())
        order.append(Choice(frame, int(nearest[frame]), float(distance[frame])) if order else Choice(frame, None, None))
        left[frame] = False
        between = np.sqrt(np.maximum(squares + squares[frame] - points @ (2 * points[frame]), 0))
        closer = left & (between < distance)
        distance[closer], nearest[closer] = between[closer], frame
    rest = np.flatnonzero(left)
    by_worth = rest[np.argsort(-(doubt * np.minimum(distance, 1))[rest], kind="stable")]
    return [*order, *(Choice(int(frame), int(nearest[frame]), float(distance[frame])) for frame in by_worth)]


def _standardise(features: Floats) -> Floats:
    """Channels that count alike: between two frames the mean squared distance is 1. Those that never change are left out."""
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0)
    varied = spread > 1e-6 * np.abs(features).max(initial=0)
    return centred[:, varied] / spread[varied] / np.sqrt(2 * max(1, varied.sum()))
