"""The fronts of houses as flat pictures: walls, windows, shops, balconies, cornices."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from icnet.streets.canvas import Pixels
from icnet.streets.light import Colour, Light, dim, hsv, mix
from icnet.streets.texture import SIDE, paint, patch, wall

Normal = tuple[float, float, float]
_WALL = SIDE / 10  # pixels of a wall's texture for a metre


class Style(NamedTuple):
    """What a house looks like; lengths in metres."""

    material: int  # of its wall, see texture.wall
    wall: Colour
    trim: Colour
    glass: Colour
    shade: Colour  # of blinds, shutters and awnings
    storey: float
    bay: float
    window: tuple[float, float]  # width, height
    bars: tuple[int, int]  # panes across and down
    ledges: bool
    shutters: bool
    balconies: bool
    shop: bool


def draw_style(rng: np.random.Generator) -> Style:
    """Choose the looks of a house."""
    storey, bay = rng.uniform(3.2, 4.2), rng.uniform(2.4, 3.8)
    return Style(
        material=int(rng.choice(5, p=(0.36, 0.12, 0.14, 0.22, 0.16))),
        wall=any_paint(rng),
        trim=hsv(
            rng.choice([0.1, rng.random()]),
            abs(rng.normal(0, 0.12)),
            rng.choice([rng.uniform(0.75, 1), rng.uniform(0.1, 0.4)]),
        ),
        glass=hsv(rng.uniform(0.5, 0.65), rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.4)),
        shade=hsv(rng.random(), rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.9)),
        storey=storey,
        bay=bay,
        window=(bay * rng.uniform(0.45, 0.68), storey * rng.uniform(0.45, 0.66)),
        bars=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
        ledges=bool(rng.random() < 0.6),
        shutters=bool(rng.random() < 0.25),
        balconies=bool(rng.random() < 0.25),
        shop=bool(rng.random() < 0.5),
    )


def any_paint(rng: np.random.Generator) -> Colour:
    """A colour for walls, car bodies and clothes alike: any, greys and warm ones more often."""
    hue = rng.choice([rng.random(), rng.normal(0.08, 0.04), rng.normal(0.6, 0.05)])
    return hsv(hue, 0.85 * rng.beta(1.2, 2.6), rng.uniform(0.18, 0.98))


class Front:
    """A picture of a front under construction; u runs right from its left edge, v up from its foot, in metres."""

    def __init__(self, size: tuple[float, float], scale: float, style: Style, light: Light, normal: Normal) -> None:
        self.width, self.height = size
        self.scale, self.style, self.light, self.normal = scale, style, light, normal
        self.picture = np.zeros((max(2, round(size[1] * scale)), max(2, round(size[0] * scale)), 3), np.uint8)

    def lit(self, colour: Colour) -> Colour:
        return self.light.on(colour, self.normal)

    def bar(self, u: float, v: float, width: float, height: float, colour: Colour) -> None:
        """A rectangle with (u, v) as its lower left corner; colour as it is to look."""
        foot, k = self.height - v, self.scale
        left, right = round(u * k), round((u + width) * k)
        top, bottom = round((foot - height) * k), round(foot * k)
        if left == right or top == bottom:
            return
        self.picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour


def draw_front(
    size: tuple[float, float], scale: float, style: Style, light: Light, normal: Normal, rng: np.random.Generator
) -> Pixels:
    """A front of (width, height) metres at `scale` pixels for a metre, with its top in row 0."""
    front = Front(size, scale, style, light, normal)
    halvings = int(np.clip(np.log2(_WALL / scale), 0, 4))
    rough = patch(wall(style.material, halvings), rng, front.picture.shape[:2], scale / _WALL * 2**halvings)
    front.picture[:] = paint(rough, front.lit(style.wall), 0.75 if style.material != 1 else 0.5)
    ground = style.storey * 1.15
    _upper_floors(front, ground, rng)
    _ground_floor(front, ground, rng)
    front.bar(0, front.height - 0.55, front.width, 0.55, front.lit(style.trim))
    front.bar(0, front.height - 0.75, front.width, 0.2, dim(front.lit(style.wall), 0.5))
    front.bar(0, 0, front.width, 0.45, dim(front.lit(style.wall), 0.6))
    return front.picture


def _upper_floors(front: Front, ground: float, rng: np.random.Generator) -> None:
    style = front.style
    floors = int((front.height - ground - 0.8) / style.storey)
    bays = max(1, int((front.width - 0.6) / style.bay))
    edge = (front.width - bays * style.bay) / 2
    window = lru_cache(maxsize=None)(lambda lamp: _window(front, lamp))
    for floor in range(floors):
        foot = ground + floor * style.storey
        if style.ledges:
            front.bar(0, foot, front.width, 0.22, front.lit(style.trim))
            front.bar(0, foot - 0.1, front.width, 0.1, dim(front.lit(style.wall), 0.55))
        for bay in range(bays):
            middle = edge + (bay + 0.5) * style.bay
            lamp = rng.choice([0.09, 0.14]) if rng.random() < front.light.lamps else None
            _place(front, window(lamp), middle, foot + 0.28 * style.storey)
            if style.balconies and (floor + bay) % 2:
                _balcony(front, middle, foot + 0.1)


def _window(front: Front, lamp: float | None) -> Pixels:
    """A window with its frame, sill and shutters; lamp is the hue of the light behind it."""
    style, (width, height) = front.style, front.style.window
    wing = 0.3 * width if style.shutters else 0.0
    around = 0.12
    pane = Front((width + 2 * wing + 2 * around, height + 3 * around), front.scale, style, front.light, front.normal)
    pane.picture[:] = front.lit(style.trim)
    if wing:
        for u in (0.0, around + wing + width + around / 2):
            pane.bar(u, around, wing + around / 2, height + around, front.lit(style.shade))
    glass = front.lit(style.glass) if lamp is None else hsv(lamp, 0.45, 0.98)
    left, foot = around + wing, 2 * around
    pane.bar(left, foot, width, height, glass)
    shine = mix(glass, front.light.horizon, 0.4) if lamp is None else dim(glass, 0.8)
    pane.bar(left, foot + 0.55 * height, width, 0.45 * height, shine)
    for i in range(1, style.bars[0]):
        pane.bar(left + i * width / style.bars[0] - 0.05, foot, 0.1, height, front.lit(style.trim))
    for i in range(1, style.bars[1]):
        pane.bar(left, foot + i * height / style.bars[1] - 0.05, width, 0.1, front.lit(style.trim))
    pane.bar(0, 0, pane.width, around, dim(front.lit(style.wall), 0.45))
    return pane.picture


def _place(front: Front, window: Pixels, middle: float, foot: float) -> None:
    """Set a picture of a window into the front."""
    rows, columns = window.shape[:2]
    top = round((front.height - foot) * front.scale) - rows
    left = round(middle * front.scale - columns / 2)
    if top >= 0 and left >= 0 and left + columns <= front.picture.shape[1]:
        front.picture[top : top + rows, left : left + columns] = window


def _balcony(front: Front, middle: float, foot: float) -> None:
    width = front.style.window[0] + 0.9
    rail = front.lit(dim(front.style.trim, 0.7))
    front.bar(middle - width / 2, foot, width, 0.2, rail)
    front.bar(middle - width / 2, foot + 1.0, width, 0.14, rail)
    for u in np.arange(middle - width / 2, middle + width / 2, 0.3):
        front.bar(float(u), foot, 0.12, 1.0, rail)


def _ground_floor(front: Front, ground: float, rng: np.random.Generator) -> None:
    if front.style.shop and front.width > 5:
        return _shop(front, ground, rng)
    bays = max(1, int((front.width - 0.6) / front.style.bay))
    edge, door = (front.width - bays * front.style.bay) / 2, rng.integers(bays)
    window = _window(front, 0.1 if rng.random() < front.light.lamps else None)
    for bay in range(bays):
        middle = edge + (bay + 0.5) * front.style.bay
        if bay == door:
            front.bar(middle - 0.75, 0, 1.5, 2.6, front.lit(front.style.trim))
            front.bar(middle - 0.55, 0, 1.1, 2.4, front.lit(front.style.shade))
            front.bar(middle - 0.35, 1.5, 0.7, 0.7, front.lit(front.style.glass))
        else:
            _place(front, window, middle, 0.9)
    return None


def _shop(front: Front, ground: float, rng: np.random.Generator) -> None:
    """Large panes under a striped awning or a board."""
    style, lamp = front.style, rng.random() < 0.5 + front.light.lamps
    inside = (
        hsv(rng.uniform(0.06, 0.16), rng.uniform(0.2, 0.5), 0.95)
        if lamp and front.light.lamps > 0.2
        else front.lit(style.glass)
    )
    front.bar(0.3, 0.3, front.width - 0.6, ground - 0.9, front.lit(style.trim))
    step = rng.uniform(1.6, 2.6)
    for u in np.arange(0.5, front.width - 1.2, step):
        width = min(step - 0.22, front.width - 0.5 - u)
        front.bar(float(u), 0.75, width, ground - 1.5, inside)
        front.bar(float(u), 0.75, width, 0.35 * ground, mix(inside, front.lit(style.shade), 0.45))
    band = front.lit(style.shade)
    front.bar(0.1, ground - 0.8, front.width - 0.2, 0.75, band)
    if rng.random() < 0.6:
        for u in np.arange(0.1, front.width - 0.4, 0.9):
            front.bar(float(u), ground - 1.15, 0.45, 1.1, front.lit((235.0, 232.0, 225.0)))
            front.bar(float(u) + 0.45, ground - 1.15, 0.45, 1.1, band)


def shrink(picture: Pixels, columns: int) -> Pixels:
    """A picture at fewer columns, so that a slanted view of it does not flicker."""
    if columns >= picture.shape[1]:
        return picture
    return cv2.resize(picture, (max(2, columns), picture.shape[0]), interpolation=cv2.INTER_AREA).astype(
        np.uint8, copy=False
    )
