"""The markings on a road: dashes, edge lines, crosswalks, arrows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from icnet.streets.camera import Floats
from icnet.streets.layout import Layout


def markings(layout: Layout, rng: np.random.Generator) -> Iterator[Floats]:
    """The outlines (N, 3) of all markings, each convex."""
    style = rng.integers(3)
    yield from _dashes(layout, 0.0, rng.uniform(2.0, 4.0), rng.uniform(0.22, 0.32))
    if style > 0:
        for side in (-1, 1):
            yield from _strip(layout, side * (layout.half - rng.uniform(0.35, 0.6)), 0.22)
    if style > 1 and layout.half > 4.5:
        for side in (-1, 1):
            yield from _dashes(layout, side * layout.half / 2, 2.0, 0.16)
    if layout.crossing[1] > 0:
        yield from _zebra(layout, layout.crossing[0] - layout.crossing[1] - 3.2)
    elif rng.random() < 0.5:
        yield from _zebra(layout, rng.uniform(7, 20))
    if rng.random() < 0.6:
        yield from _arrow(layout, rng.choice([-0.5, 0.5]) * layout.half, rng.uniform(7, 14))


def _block(layout: Layout, across: tuple[float, float], along: tuple[float, float]) -> Floats:
    """A rectangle of the plan."""
    (left, right), (near, far) = across, along
    return layout.at(np.array([left, right, right, left]), np.array([near, near, far, far]))


def _dashes(layout: Layout, across: float, length: float, width: float) -> Iterator[Floats]:
    for near in np.arange(0.5, 42, 2 * length):
        if not layout.on_crossing(near, length):
            yield _block(layout, (across - width / 2, across + width / 2), (near, near + length))


def _strip(layout: Layout, across: float, width: float) -> Iterator[Floats]:
    for near in np.arange(0.5, 45, 4):
        if not layout.on_crossing(near, 4):
            yield _block(layout, (across - width / 2, across + width / 2), (near, near + 4))


def _zebra(layout: Layout, near: float) -> Iterator[Floats]:
    for left in np.arange(-layout.half + 0.4, layout.half - 0.6, 1.1):
        yield _block(layout, (left, left + 0.55), (near, near + 2.6))


def _arrow(layout: Layout, across: float, near: float) -> Iterator[Floats]:
    yield _block(layout, (across - 0.12, across + 0.12), (near, near + 2.4))
    yield layout.at(across + np.array([-0.5, 0.5, 0.0]), near + np.array([2.2, 2.2, 3.8]))
