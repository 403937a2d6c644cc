"""The houses of a street scene: rows along both sidewalks, and a row across the far end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from icnet.streets.camera import Camera, Floats
from icnet.streets.canvas import BUILDING, Canvas
from icnet.streets.facade import Style, any_paint, draw_front, draw_style, shrink
from icnet.streets.layout import Layout
from icnet.streets.light import Colour, dim
from icnet.streets.texture import paint, wall

_DEEP = 7.5  # metres from the front to the back of a house
_END = 85.0  # metres along the street, where the far row stands
_UP = np.array([0.0, 1.0, 0.0])


class Building(NamedTuple):
    """A house whose front runs from `near` to `far`, both (3,) points on the ground; `back` points away from the street."""

    near: Floats
    far: Floats
    back: Floats
    height: float
    ridge: float  # metres that the roof rises above the front; 0 for a flat one
    slope: float  # metres from the front to the ridge
    seed: int  # of its looks
    flank: bool = True  # whether its side wall towards the camera can be seen

    @property
    def base(self) -> Floats:
        """The four corners on the ground (4, 3), along the front first."""
        return np.array([self.near, self.far, self.far + self.back * _DEEP, self.near + self.back * _DEEP])

    @property
    def eaves(self) -> Floats:
        """The two upper corners of the front (2, 3), at one height also where the street climbs."""
        ends = np.array([self.near, self.far])
        ends[:, 1] = ends[:, 1].max() + self.height
        return ends


class Gap(NamedTuple):
    """A lot without a house: a yard, or a park."""

    side: int
    across: float
    near: float
    far: float


def draw_rows(rng: np.random.Generator, layout: Layout) -> tuple[list[Building], list[Gap]]:
    """The houses on both sides, the furthest first, and the gaps between them."""
    tall, park = rng.choice([6.0, 9.0, 14.0]), rng.choice([-1, 1, 0, 0, 0])
    houses: list[Building] = []
    gaps: list[Gap] = []
    for side in (-1, 1):
        line = side * (layout.half + layout.walks[side > 0])
        for near, far in _lots(rng, layout):
            if side == park or rng.random() < 0.1:
                gaps.append(Gap(side, line, near, far))
            else:
                across = line + side * rng.choice([0.0, 0.0, rng.uniform(0, 2)])
                houses.append(_house(rng, layout.at(across, np.array([near, far])), side, tall))
    houses.sort(key=lambda house: -float(house.near[2] + house.far[2]))
    return houses, gaps


def draw_end(rng: np.random.Generator, layout: Layout) -> list[Building]:
    """The houses that close the view at the far end of the street."""
    middle, height = layout.at(0.0, min(_END, layout.reach * 1.4), above=-1.5)[0], rng.uniform(5, 16)
    houses = []
    for x in np.arange(-90, 90, 15.0):
        ends = middle + np.array([[x, 0, 0], [x + rng.uniform(10, 15), 0, 0]])
        houses.append(_house(rng, ends, 0, height * rng.uniform(0.6, 1.3)))
    return houses


def in_sight(camera: Camera, houses: list[Building]) -> list[Building]:
    """Those of the houses, given from back to front, that are in the frame and not hidden by nearer ones."""
    skyline = np.full(camera.width, np.inf)  # the row above which nothing is covered yet, for each column
    kept = []
    for house in reversed(houses):
        left, right, high, _ = _extent(
            camera, np.concatenate([house.base, house.base + _UP * (house.height + house.ridge)])
        )
        if (skyline[left:right] > high).any():
            left, right, high, _ = _extent(camera, np.array([house.eaves[0], house.eaves[0] + house.back * _DEEP]))
            kept.append(house._replace(flank=bool((skyline[left:right] > high - house.ridge * 20).any())))
        edge = house.eaves[0] + np.linspace(0, 1, 6)[:, None] * (house.eaves[1] - house.eaves[0])
        left, right, _, low = _extent(camera, edge)
        skyline[left:right] = np.minimum(skyline[left:right], low)
    return kept[::-1]


def draw_building(canvas: Canvas, house: Building) -> None:
    """Paint what can be seen of a house: its roof, the side that faces the camera, and its front."""
    rng = np.random.default_rng(house.seed)
    style = draw_style(rng)
    if house.ridge:
        _roof(canvas, house, any_paint(rng))
    if house.flank and abs(house.back[0]) > 0.5 and house.near[2] > canvas.camera.position[2]:
        _side(canvas, house, style, rng)
    _wall(canvas, house, (house.near, house.far), -house.back, style, rng)


def _lots(rng: np.random.Generator, layout: Layout) -> Iterator[tuple[float, float]]:
    """Where one house ends and the next begins, on one side of the street."""
    middle, half = layout.crossing
    start, end = rng.uniform(-10, -4), min(75.0, layout.reach * 1.25)
    for near, stop in ((start, middle - half - 3), (middle + half + 3, end)) if half else ((start, end),):
        while stop - near > 4:
            far = near + rng.uniform(7, 15)
            far = stop if stop - far < 5 else far
            yield near, far
            near = far


def _house(rng: np.random.Generator, ends: Floats, side: int, tall: float) -> Building:
    ridge, slope = ((0.0, 1.0), (rng.uniform(2, 3), 1.3), (rng.uniform(2.5, 4), _DEEP / 2))[
        rng.choice(3, p=(0.4, 0.3, 0.3))
    ]
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    back = np.array([0.0, 0.0, 1.0]) if side == 0 else side * np.array([along[2], 0.0, -along[0]])
    height = float(max(4.2, tall * rng.uniform(0.65, 1.5)))
    return Building(ends[0], ends[1], back, height, ridge, slope, int(rng.integers(1 << 30)))


def _extent(camera: Camera, points: Floats) -> tuple[int, int, float, float]:
    """The columns that points (N, 3) reach over, and their highest and lowest row; those behind the camera do not count."""
    seen = camera.view(points)
    seen = seen[seen[:, 2] > 0.8]
    if not len(seen):
        return 0, 0, 0.0, 0.0
    pixels = seen[:, :2] * (camera.focal / seen[:, 2:]) + camera.centre
    left, right = np.clip([pixels[:, 0].min(), pixels[:, 0].max()], 0, camera.width)
    return int(left), int(right), float(pixels[:, 1].min()), float(pixels[:, 1].max())


def _side(canvas: Canvas, house: Building, style: Style, rng: np.random.Generator) -> None:
    """The end wall towards the camera; under a pitched roof it ends in a gable."""
    deep = house.near + house.back * _DEEP
    normal = np.cross(_UP, house.back) * (1 if house.back[0] < 0 else -1)
    if house.ridge:
        top = house.eaves[0]
        rise = house.back * house.slope + _UP * house.ridge
        gable = np.array(
            [top, top + rise, top + rise + house.back * (_DEEP - 2 * house.slope), top + house.back * _DEEP]
        )
        canvas.face(gable, dim(canvas.light.on(style.wall, tuple(normal)), 0.9))
        canvas.finish(BUILDING, max(1.0, canvas.camera.depth(house.near)))
    _wall(canvas, house, (house.near, deep), normal, style._replace(shop=False, balconies=False), rng)


def _wall(
    canvas: Canvas, house: Building, ends: tuple[Floats, Floats], normal: Floats, style: Style, rng: np.random.Generator
) -> None:
    """One upright wall between two points on the ground."""
    camera, (a, b) = canvas.camera, ends
    low, high = min(a[1], b[1]), house.eaves[0, 1]
    outline = camera.outline(np.array([a, b, [b[0], high, b[2]], [a[0], high, a[2]]]))
    if not _in_frame(canvas, outline):
        return
    length, height = float(np.hypot(b[0] - a[0], b[2] - a[2])), float(high - low)
    scale = min(camera.focal / max(camera.depth(a), 2.0), 20 * canvas.unit)
    scale = min(scale, float(np.sqrt(55_000 * canvas.unit**2 / (length * height))))
    picture = draw_front((length, height), scale, style, canvas.light, tuple(normal), rng)
    span = outline.max(axis=0) - outline.min(axis=0)
    picture = shrink(picture, round(picture.shape[0] * 2.0 * span[0] / max(span[1], 1.0)))
    u = np.array([b[0] - a[0], 0.0, b[2] - a[2]]) / picture.shape[1]
    plane = camera.plane(np.array([a[0], high, a[2]]), u, -_UP * height / picture.shape[0])
    canvas.plane(plane, picture, outline, BUILDING)


def _roof(canvas: Canvas, house: Building, tiles: Colour) -> None:
    """The slope above the front, where the camera can see it, and a chimney."""
    camera = canvas.camera
    eaves = house.eaves
    rise = house.back * house.slope + _UP * house.ridge
    outward = _UP * house.slope - house.back * house.ridge
    chimney = eaves[0] * 0.7 + eaves[1] * 0.3 + rise
    _chimney(canvas, chimney, house, dim(tiles, 0.8))
    outline = camera.outline(np.array([eaves[0], eaves[1], eaves[1] + rise, eaves[0] + rise]))
    if outward @ (camera.position - eaves[0]) <= 0 or not _in_frame(canvas, outline):
        return
    colour = canvas.light.on(tiles, tuple(outward / np.linalg.norm(outward)))
    length = float(np.linalg.norm(eaves[1] - eaves[0]))
    rows = cv2.resize(wall(0, 2), (round(length * 10), 60)).astype(np.uint8, copy=False)
    plane = camera.plane(eaves[0] + rise, (eaves[1] - eaves[0]) / rows.shape[1], -rise / rows.shape[0])
    canvas.plane(plane, paint(rows, colour, 0.9), outline, BUILDING)


def _chimney(canvas: Canvas, foot: Floats, house: Building, paint: Colour) -> None:
    x, y, depth = canvas.camera.see((float(foot[0]), float(foot[1]), float(foot[2])))
    if not (3 < depth < 50 and 0 < x < canvas.camera.width and y > 0):
        return
    along = (house.far - house.near) / np.linalg.norm(house.far - house.near)
    left, right = foot - along * 0.5, foot + along * 0.5
    colour = canvas.light.on(paint, tuple(-house.back))
    canvas.face(np.array([left - _UP, right - _UP, right + _UP * 1.2, left + _UP * 1.2]), colour)
    canvas.finish(BUILDING, depth)


def _in_frame(canvas: Canvas, outline: Floats) -> bool:
    if len(outline) < 3:
        return False
    low, high = outline.min(axis=0), outline.max(axis=0)
    return bool((high > 0).all() and low[0] < canvas.camera.width and low[1] < canvas.camera.height)
