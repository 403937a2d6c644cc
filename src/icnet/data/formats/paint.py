"""Draws polygons and masks into label maps: the one place where this is done, by one rule.

Pixel (row, column) covers [column, column + 1) x [row, row + 1) and belongs to a polygon when its centre lies inside; of two
polygons that share an edge, each pixel gets one. The rings of a polygon count even-odd: a ring within another is a hole.
Shapes are drawn in their order, later ones over earlier ones; what lies outside the frame is cut off.

cv2.fillPoly is not used: it also colours every pixel that the outline touches, half a pixel too much all round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from icnet.data.images import Pixels

Ring = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
_FEWEST = 3  # points of a ring
_LARGEST = 1 << 28  # pixels of a frame
_CORNERS = 64  # of an ellipse: 0.2 % of its area lie outside them


class Cover(NamedTuple):
    """The pixels of an area: inside (h, w), whose upper left corner lies at (top, left) of the frame."""

    top: int
    left: int
    inside: Bits


class NoArea(Exception):
    """A polygon of too few points."""


class Area(Protocol):
    """Where a shape lies."""

    def cover(self, height: int, width: int) -> Cover:
        """Its pixels within a frame; NoArea where it is none, ValueError where it cannot be read."""


class Shape(NamedTuple):
    """An area and what the tool calls it."""

    label: str
    area: Area


class Drawing(NamedTuple):
    """A label map (H, W).

    overlapped: pixels in which a shape covers one of another value; lost: which shapes are not in it, and why.
    """

    label_map: Pixels
    overlapped: int
    lost: list[str]


@dataclass(frozen=True)
class Polygon:
    """rings: (N, 2) each, x and y of its points in pixels."""

    rings: Sequence[npt.ArrayLike]

    def cover(self, height: int, width: int) -> Cover:
        rings = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in self.rings]
        if not rings or any(len(ring) < _FEWEST for ring in rings):
            raise NoArea(f"has {min(map(len, rings), default=0)} points and no area")
        points = np.concatenate(rings)
        if not np.isfinite(points).all():
            raise ValueError("has a point that is no number")
        left, top = np.clip(np.floor(points.min(axis=0)), 0, (width, height)).astype(int).tolist()
        right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, (width, height)).astype(int).tolist()
        return Cover(top, left, _fill([ring - (left, top) for ring in rings], bottom - top, right - left))


def box(left: float, top: float, right: float, bottom: float, degrees: float = 0.0) -> Polygon:
    """A rectangle, turned clockwise about its centre."""
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return Polygon([_turn(corners, (left + right) / 2, (top + bottom) / 2, degrees)])


def ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> Polygon:
    """Around (x, y), turned clockwise."""
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    points = np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)
    return Polygon([_turn(points, x, y, degrees)])


@dataclass(frozen=True)
class Mask:
    """decode: gives the pixels, when they are drawn; ValueError where they cannot be read."""

    decode: Callable[[], Bits]
    left: int = 0
    top: int = 0

    def cover(self, height: int, width: int) -> Cover:
        top, left = max(self.top, 0), max(self.left, 0)
        below, right = max(height - self.top, 0), max(width - self.left, 0)
        inside = self.decode()[top - self.top : below, left - self.left : right]
        return Cover(top, left, inside)


def draw(shapes: Iterable[Shape], values: Callable[[str], int], height: int, width: int) -> Drawing:
    """values: of a label. Pixels under no shape are 0. ValueError where a label or an area cannot be read."""
    if not 0 < height * width <= _LARGEST:
        raise ValueError(f"has a size of {height}x{width}")
    drawing = Drawing(np.zeros((height, width), np.uint8), 0, [])
    overlapped = 0
    for label, area in shapes:
        value = values(label)
        try:
            top, left, inside = area.cover(height, width)
        except NoArea as error:
            drawing.lost.append(f"a shape of {label!r} {error}")
            continue
        if not inside.any():
            drawing.lost.append(f"a shape of {label!r} covers no pixel of the frame of {height}x{width}")
        part = drawing.label_map[top : top + inside.shape[0], left : left + inside.shape[1]]
        overlapped += int(np.count_nonzero(inside & (part != 0) & (part != value)))
        part[inside] = value
    return drawing._replace(overlapped=overlapped)


def _turn(points: Ring, x: float, y: float, degrees: float) -> Ring:
    """Clockwise as it is seen, where y grows downwards."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned: Ring = (points - (x, y)) @ np.array([(cos, sin), (-sin, cos)]) + (x, y)
    return turned


def _fill(rings: Sequence[Ring], height: int, width: int) -> Bits:
    """Each edge turns its rows from outside to inside, or back, at the first centre right of it."""
    turns = np.zeros((height, width + 1), np.uint8)
    for ring in rings:
        x, y = (ring - 0.5).T  # centres lie at whole numbers
        next_x, next_y = np.roll(x, -1), np.roll(y, -1)
        first, end = (np.clip(np.ceil(f(y, next_y)), 0, height).astype(int) for f in (np.minimum, np.maximum))
        counts = end - first
        edge = np.repeat(np.arange(len(ring)), counts)
        row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = x[edge] + (row - y[edge]) * (next_x - x)[edge] / (next_y - y)[edge]
        np.bitwise_xor.at(turns, (row, np.clip(np.ceil(at), 0, width).astype(int)), 1)
    return np.bitwise_xor.accumulate(turns, axis=1)[:, :width].astype(bool)
