"""The cars of a street scene: two convex bodies, one on the other, with glass, lights and wheels."""

from __future__ import annotations

import cv2
import numpy as np

from icnet.streets.camera import Floats
from icnet.streets.canvas import CAR, Canvas
from icnet.streets.car_shapes import SHAPES, CarShape
from icnet.streets.layout import Spot
from icnet.streets.light import Colour, dim, hsv, mix

_NOSE, _TAIL = 0, 1


class _Car:
    """A car at its spot; points of it are given as (to the front, up, to its right)."""

    def __init__(self, canvas: Canvas, spot: Spot, shape: CarShape, paint: Colour) -> None:
        self.canvas, self.spot, self.shape, self.paint = canvas, spot, shape, paint
        ahead = np.array([np.sin(spot.heading), 0.0, np.cos(spot.heading)])
        right = np.array([np.cos(spot.heading), 0.0, -np.sin(spot.heading)])
        self.axes = np.stack([ahead, np.array([0.0, 1.0, 0.0]), right])
        self.towards = self.axes @ (canvas.camera.position - spot.base)

    def face(self, points: Floats, colour: Colour) -> None:
        self.canvas.face(self.spot.base + points @ self.axes, colour)

    def shine(self, colour: Colour, normal: Floats) -> Colour:
        """A paint under the scene's light, on a surface that faces along a direction of the car's own axes."""
        x, y, z = normal @ self.axes
        return self.canvas.light.on(colour, (float(x), float(y), float(z)))


def draw_car(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """A car in any direction."""
    car = _Car(canvas, spot, SHAPES[rng.choice(4, p=(0.3, 0.32, 0.22, 0.16))], _lacquer(rng))
    side = 1.0 if car.towards[2] > 0 else -1.0
    beside = abs(car.towards[2]) > car.shape.half  # else no flank can be seen
    _underside(car)
    _tyres(car)
    _hull(car)
    if beside:
        _flank(car, side)
        _wheels(car, side, rng)
    _cabin(car, side, rng)
    canvas.finish(CAR, spot.depth)


def _lacquer(rng: np.random.Generator) -> Colour:
    if rng.random() < 0.6:
        return hsv(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.95))
    return hsv(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.12, 0.98))


def _underside(car: _Car) -> None:
    """The dark between the wheels."""
    front, rear = car.shape.axles
    for z in (-0.8 * car.shape.half, 0.8 * car.shape.half):
        car.face(_panel(rear, front, 0.16, 0.5, z), (14.0, 14.0, 18.0))


def _strip(a: Floats, b: Floats, left: float, right: float, top: float = 1.0) -> Floats:
    """The face between two points of an outline, across the car; `top` narrows it at b."""
    return np.array([[*a, left], [*a, right], [*b, right * top], [*b, left * top]])


def _hull(car: _Car) -> None:
    """The faces that run across the car, from bumper to bumper."""
    body, half = car.shape.body, car.shape.half
    for i in range(len(body) - 1):
        a, b = body[i], body[i + 1]
        normal = np.array([b[1] - a[1], a[0] - b[0], 0.0])
        if normal @ (car.towards - [*a, 0.0]) > 0:
            normal /= np.linalg.norm(normal)
            car.face(_strip(a, b, -half, half), car.shine(car.paint, normal))
            if i == 0:
                _front(car)
            elif i == len(body) - 2:
                _rear(car)


def _flank(car: _Car, side: float) -> None:
    body, outward = car.shape.body, np.array([0.0, 0.0, side])
    flank = np.column_stack([body, np.full(len(body), side * car.shape.half)])
    car.face(flank, car.shine(car.paint, outward))
    _trim(car, side, car.shine(car.paint, outward))


def _trim(car: _Car, side: float, colour: Colour) -> None:
    """The shaded lower part of a flank, its bright edge, the gaps of the doors."""
    body, z = car.shape.body, side * (car.shape.half + 0.01)
    front, rear, waist = body[0, 0] - 0.04, body[-1, 0] + 0.04, body[3, 1]
    low = body[0, 1]
    car.face(_panel(rear, front, low, low + 0.2, z), dim(colour, 0.55))
    car.face(_panel(rear + 0.2, body[3, 0], waist - 0.16, waist - 0.07, z), mix(colour, (255.0, 255.0, 255.0), 0.35))
    for x in (body[3, 0] - 0.3, body[3, 0] - 1.35):
        car.face(_panel(x - 0.03, x + 0.03, low + 0.15, waist - 0.05, z), dim(colour, 0.45))


def _panel(rear: float, front: float, low: float, high: float, z: float) -> Floats:
    """An upright rectangle on a flank."""
    return np.array([[rear, low, z], [front, low, z], [front, high, z], [rear, high, z]])


def _across(car: _Car, end: int, across: tuple[float, float], share: tuple[float, float]) -> Floats:
    """A patch of the nose or the tail: across in shares of half the width, and from its foot (0) to its top (1)."""
    body = car.shape.body
    a, b = (body[0], body[1]) if end == _NOSE else (body[-1], body[-2])
    out = 0.015 if end == _NOSE else -0.015
    low, high = a + (b - a) * share[0] + (out, 0), a + (b - a) * share[1] + (out, 0)
    return _strip(low, high, across[0] * car.shape.half, across[1] * car.shape.half)


def _front(car: _Car) -> None:
    lit = car.canvas.light.lamps > 0.15
    lamp = (255.0, 250.0, 215.0) if lit else car.canvas.light.on((235.0, 235.0, 225.0))
    car.face(_across(car, _NOSE, (-0.5, 0.5), (0.25, 0.85)), car.canvas.light.on((30.0, 30.0, 34.0)))
    car.face(_across(car, _NOSE, (-0.25, 0.25), (0.1, 0.42)), car.canvas.light.on((235.0, 235.0, 230.0)))
    for side in (-1, 1):
        car.face(_across(car, _NOSE, (0.56 * side, 0.93 * side), (0.5, 0.95)), lamp)


def _rear(car: _Car) -> None:
    lit = car.canvas.light.lamps > 0.15
    lamp = (255.0, 45.0, 35.0) if lit else car.canvas.light.on((200.0, 25.0, 25.0))
    car.face(_across(car, _TAIL, (-1.0, 1.0), (0.0, 0.3)), car.canvas.light.on((32.0, 32.0, 36.0)))
    car.face(_across(car, _TAIL, (-0.26, 0.26), (0.4, 0.7)), car.canvas.light.on((235.0, 235.0, 230.0)))
    for side in (-1, 1):
        car.face(_across(car, _TAIL, (0.62 * side, 0.98 * side), (0.45, 0.98)), lamp)


def _tyres(car: _Car) -> None:
    """The treads of all four wheels; of most of them little is left once the body is painted."""
    shape, around = car.shape, np.linspace(0, 2 * np.pi, 13)[:-1]
    for axle in shape.axles:
        for side in (-1, 1):
            rings = [_ring(car, axle, 1.0, side * z, around) for z in (shape.half - 0.24, shape.half)]
            pixels = car.canvas.camera.outline(car.spot.base + np.concatenate(rings) @ car.axes)
            if len(pixels) > 2:
                hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
                car.canvas.polygon(hull.astype(np.float32, copy=False), (20.0, 20.0, 23.0))


def _ring(car: _Car, axle: float, size: float, z: float, around: Floats) -> Floats:
    """Points around an axle, `size` wheels' radii away from it."""
    radius = size * car.shape.wheel
    x, y = axle + radius * np.cos(around), car.shape.wheel + radius * np.sin(around)
    return np.stack([x, y, np.full(len(around), z)], axis=1)


def _wheels(car: _Car, side: float, rng: np.random.Generator) -> None:
    """Both wheels of one flank, with their arches and spokes."""
    around, turn, half = np.linspace(0, 2 * np.pi, 15)[:-1], rng.uniform(0, 1), car.shape.half
    hub = car.canvas.light.on(hsv(0.6, 0.05, rng.uniform(0.55, 0.9)))
    for axle in car.shape.axles:
        for size, colour, out in (
            (1.16, (10.0, 10.0, 12.0), 0.005),
            (1.0, (28.0, 28.0, 32.0), 0.02),
            (0.62, hub, 0.03),
        ):
            car.face(_ring(car, axle, size, side * (half + out), around), colour)
        for spoke in np.arange(3) * 2.1 + turn:
            tip = _ring(car, axle, 0.55, side * (half + 0.04), spoke + np.array([-0.35, 0.35]))
            middle = np.array([[axle, car.shape.wheel, side * (half + 0.04)]])
            car.face(np.concatenate([middle, tip]), (50.0, 50.0, 56.0))


def _cabin(car: _Car, side: float, rng: np.random.Generator) -> None:
    """Glass around, and the roof; the pillars are what the glass leaves of the painted faces."""
    cabin, half, narrow = car.shape.cabin, car.shape.half * 0.94, car.shape.roof
    glass = car.canvas.light.on(hsv(0.58, 0.3, rng.uniform(0.12, 0.3)))
    shine = mix(glass, car.canvas.light.horizon, 0.45)
    screens = (_strip(cabin[0], cabin[1], -half, half, narrow), _strip(cabin[3], cabin[2], -half, half, narrow))
    for screen, normal in zip(screens, (np.array([0.8, 0.6, 0.0]), np.array([-0.8, 0.6, 0.0])), strict=True):
        if normal @ (car.towards - screen[0]) > 0:
            car.face(screen, car.shine(car.paint, normal))
            car.face(_inset(screen, 0.07, 0.1), glass)
            car.face(_inset(screen, 0.07, 0.1)[[0, 2, 3]], mix(glass, shine, 0.6))
    z = np.array([1.0, narrow, narrow, 1.0]) * side * half
    flank = np.column_stack([cabin, z])
    car.face(flank, car.shine(car.paint, np.array([0.0, 0.3, side])))
    _side_windows(car, flank, glass, shine)
    roof = _strip(cabin[1], cabin[2], -half * narrow, half * narrow)
    if car.towards[1] > cabin[1, 1]:
        car.face(roof, car.shine(car.paint, np.array([0.0, 1.0, 0.0])))


def _side_windows(car: _Car, flank: Floats, glass: Colour, shine: Colour) -> None:
    """Two panes with a pillar between them."""
    panes = _inset(flank, 0.05, 0.12)
    for left, right in ((0.0, 0.47), (0.53, 1.0)):
        foot, head = panes[3] - panes[0], panes[2] - panes[1]
        pane = np.array(
            [panes[0] + foot * left, panes[1] + head * left, panes[1] + head * right, panes[0] + foot * right]
        )
        car.face(pane, glass)
        split = pane[[0, 3]] * 0.35 + pane[[1, 2]] * 0.65
        car.face(np.array([split[0], pane[1], pane[2], split[1]]), shine)


def _inset(face: Floats, across: float, up: float) -> Floats:
    """A four-cornered face drawn in from its edges by shares of its size."""
    a, b, c, d = face
    rows = []
    for u, v in ((across, up), (1 - across, up), (1 - across, 1 - up), (across, 1 - up)):
        rows.append((a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v)
    return np.array(rows)
