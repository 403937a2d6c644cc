"""What stands on the sidewalks of a street scene: lamp posts, bollards, and traffic signs on their poles."""

from __future__ import annotations

import numpy as np

from icnet.streets.camera import Floats
from icnet.streets.canvas import POLE, SIGN, Canvas, Point
from icnet.streets.facade import any_paint
from icnet.streets.layout import Spot
from icnet.streets.light import Colour, dim, hsv

_THIN = 11.0  # pixels of a frame of 256 rows: no pole is thinner
_SMALL = 36.0  # likewise the height of a sign
_UP = np.array([0.0, 1.0, 0.0])


def draw_lamp(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """A lamp post with an arm over the road, or a plain mast."""
    width = _width(canvas, spot, 0.34)
    foot, top = canvas.camera.project(np.array([spot.base, spot.base + _UP * spot.height])).tolist()
    paint = any_paint(rng)
    side = -1.0 if spot.across > 0 else 1.0
    if rng.random() < 0.75:
        reach = spot.base + _UP * spot.height + np.array([side * 1.3, 0.1, 0.0])
        end = canvas.camera.project(reach[None])[0].tolist()
        canvas.limb(top, end, (width * 0.35, width * 0.3), canvas.light.on(dim(paint, 0.8)))
        glow = (255.0, 244.0, 205.0) if canvas.light.lamps > 0.15 else canvas.light.on((215.0, 215.0, 210.0))
        tip = (end[0] + side * 0.8 * width, end[1])
        canvas.limb(end, tip, (width * 0.5, width * 0.5), canvas.light.on(dim(paint, 0.6)))
        canvas.limb(
            (end[0], end[1] + 0.25 * width), (tip[0], tip[1] + 0.25 * width), (width * 0.32, width * 0.32), glow
        )
    _pole(canvas, foot, top, width, paint, rng)
    canvas.finish(POLE, spot.depth)


def draw_bollard(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """A knee-high post."""
    foot, top = canvas.camera.project(np.array([spot.base, spot.base + _UP * spot.height])).tolist()
    width = _width(canvas, spot, 0.34)
    paint = any_paint(rng)
    _pole(canvas, foot, top, width, paint, rng)
    canvas.disc(top, width * 0.56, canvas.light.on(dim(paint, 1.1)))
    canvas.finish(POLE, spot.depth)


def draw_sign(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """One or two traffic signs on a pole."""
    foot, top = canvas.camera.project(np.array([spot.base, spot.base + _UP * spot.height])).tolist()
    width = _width(canvas, spot, 0.24)
    _pole(canvas, foot, top, width, any_paint(rng), rng)
    canvas.finish(POLE, spot.depth)
    size = max(rng.uniform(0.95, 1.2), _SMALL * canvas.unit * spot.depth / canvas.camera.focal)
    turn = spot.heading
    middle = spot.base + _UP * (spot.height - 0.3 * size)
    for _ in range(1 + int(rng.random() < 0.25)):
        _board(canvas, middle, size, turn, _SHAPES[rng.integers(len(_SHAPES) - 1)], rng)
        middle = middle - _UP * size * 1.1
    canvas.finish(SIGN, spot.depth)


def draw_gantry(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """A large direction sign high above the lane, on a mast beside the road."""
    side = -1.0 if spot.across > 0 else 1.0
    width = _width(canvas, spot, 0.34)
    end = spot.base + _UP * spot.height + np.array([side * 4.5, 0.0, 0.0])
    foot, top, tip = canvas.camera.project(np.array([spot.base, spot.base + _UP * (spot.height + 0.3), end])).tolist()
    paint = any_paint(rng)
    _pole(canvas, top, tip, width * 0.8, paint, rng)
    _pole(canvas, foot, top, width, paint, rng)
    canvas.finish(POLE, spot.depth)
    for step in (1.6, 3.6):
        middle = spot.base + _UP * spot.height + np.array([side * step, 0.0, -0.2])
        _board(canvas, middle, rng.uniform(1.2, 1.6), spot.heading, _SHAPES[-1], rng)
    canvas.finish(SIGN, spot.depth)


def _width(canvas: Canvas, spot: Spot, metres: float) -> float:
    """The width of a pole in pixels."""
    return max(metres * canvas.camera.focal / spot.depth, _THIN * canvas.unit)


def _pole(canvas: Canvas, foot: Point, top: Point, width: float, paint: Colour, rng: np.random.Generator) -> None:
    """A round bar from one pixel to another: dark at its edges, bright in between, with bands of a second paint."""
    start, step = np.array(foot), np.array(top) - foot
    length = max(float(np.hypot(*step)), 1.0)
    across = np.array([-step[1], step[0]]) / length * width / 2
    base = canvas.light.on(paint)
    for left, right, tone in ((-1.0, -0.35, 0.5), (-0.35, 0.3, 1.35), (0.3, 1.0, 0.75)):
        quad = start + np.array([across * left, across * right, step + across * right, step + across * left])
        canvas.polygon(quad, dim(base, tone))
    band = canvas.light.on(hsv(0.1, 0.05, 0.95) if sum(paint) < 360 else hsv(rng.random(), 0.7, 0.3))
    gap = width * 1.7
    for at in np.arange(gap * rng.uniform(-0.3, 0.6), length - 1.4 * width, gap):
        for left, right, tone in ((-1.0, -0.35, 0.6), (-0.35, 0.3, 1.1), (0.3, 1.0, 0.8)):
            lean = np.array([left, right, right, left]) * 0.3 * width  # the bands wind around the pole
            heights = np.clip(at + lean + np.array([0.3, 0.3, 1.1, 1.1]) * width, 0, length)
            sides = np.array([left, right, right, left])
            canvas.polygon(start + heights[:, None] * step / length + sides[:, None] * across, dim(band, tone))


def _ring(corners: int, start: float, wide: float = 1.0, high: float = 1.0) -> Floats:
    around = start + np.arange(corners) * 2 * np.pi / corners
    return np.stack([0.5 * wide * np.cos(around), 0.5 * high * np.sin(around)], axis=1)


_SHAPES = (
    _ring(16, 0.0),
    _ring(8, np.pi / 8, 1.05, 1.05),
    _ring(3, np.pi / 2, 1.2, 1.2),
    _ring(3, -np.pi / 2, 1.2, 1.2),
    _ring(4, 0.0, 1.2, 1.2),
    _ring(4, np.pi / 4, 1.3, 1.3),
    np.array([[-0.7, -0.42], [0.7, -0.42], [0.7, 0.42], [-0.7, 0.42]]),
)
_SYMBOLS = (
    (np.array([[-0.28, -0.08], [0.28, -0.08], [0.28, 0.08], [-0.28, 0.08]]),),
    (
        np.array([[-0.06, -0.28], [0.06, -0.28], [0.06, 0.06], [-0.06, 0.06]]),
        np.array([[-0.2, 0.04], [0.2, 0.04], [0.0, 0.3]]),
    ),
    (
        np.array([[-0.3, -0.06], [0.06, -0.06], [0.06, 0.06], [-0.3, 0.06]]),
        np.array([[0.04, -0.2], [0.3, 0.0], [0.04, 0.2]]),
    ),
    (np.array([[-0.07, -0.05], [0.07, -0.05], [0.09, 0.28], [-0.09, 0.28]]), _ring(8, 0.0, 0.17, 0.17) - (0.0, 0.2)),
    (
        np.array([[-0.2, -0.22], [-0.06, -0.22], [-0.06, 0.22], [-0.2, 0.22]]),
        np.array([[0.06, -0.22], [0.2, -0.22], [0.2, 0.22], [0.06, 0.22]]),
    ),
)


def _board(canvas: Canvas, middle: Floats, size: float, turn: float, shape: Floats, rng: np.random.Generator) -> None:
    """A sign: a bright rim, a border, a face, and a symbol on it, each in a colour that stands out from the last."""
    right = np.array([np.cos(turn), 0.0, -np.sin(turn)])
    light, dark = _bright(rng), hsv(rng.random(), rng.uniform(0.75, 1.0), rng.uniform(0.4, 0.8))
    if rng.random() < 0.3:
        light, dark = dark, light
    layers = [(shape, (238.0, 238.0, 235.0)), (shape * 0.88, dark), (shape * 0.64, light)]
    symbol = dark if rng.random() < 0.5 else (20.0, 20.0, 25.0) if sum(light) > 330 else (245.0, 245.0, 240.0)
    room = 0.7 if len(shape) == 3 else 1.0  # a triangle leaves less of it for the symbol
    layers += [(part * room, symbol) for part in _SYMBOLS[rng.integers(len(_SYMBOLS))]]
    for corners, colour in layers:
        points = middle + size * (corners[:, :1] * right + corners[:, 1:] * _UP)
        canvas.face(points, canvas.light.on(colour, (0.0, 0.2, -0.8)))


def _bright(rng: np.random.Generator) -> Colour:
    return hsv(rng.choice([0.14, 0.6]), rng.choice([0.04, 0.04, 0.75]), rng.uniform(0.9, 1.0))
