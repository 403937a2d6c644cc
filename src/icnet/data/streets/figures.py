"""The people of a street scene, built of limbs: on foot, and on two wheels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from icnet.data.streets.canvas import PERSON, RIDER, Canvas, Point
from icnet.data.streets.facade import any_paint
from icnet.data.streets.layout import Spot
from icnet.data.streets.light import Colour, dim, hsv

Joint = tuple[float, float, float]  # to the right, up, ahead, in metres of a body of _TALL
_STOUT = 1.25  # how much thicker than life the figures are
_TALL = 1.75  # metres; the tables below are for a body of this height


class Clothes(NamedTuple):
    """What a figure wears, as it looks in the light of the scene."""

    top: Colour
    second: Colour  # of stripes and bags
    legs: Colour
    skin: Colour
    hair: Colour
    shoes: Colour


class _Body:
    """A figure at its spot; its points are (to its right, up, ahead) in metres of a body of _TALL."""

    def __init__(self, canvas: Canvas, spot: Spot, clothes: Clothes) -> None:
        self.canvas, self.spot, self.clothes = canvas, spot, clothes
        turn = spot.heading
        self.axes = np.array([[np.cos(turn), 0.0, -np.sin(turn)], [0.0, 1.0, 0.0], [np.sin(turn), 0.0, np.cos(turn)]])
        self.size = spot.height / _TALL
        self.scale = canvas.camera.focal / spot.depth * self.size
        plane = canvas.camera.plane(spot.base, *(self.size * self.axes[:2]))  # to which the third direction is added
        third = canvas.camera.plane(spot.base, self.size * self.axes[2], self.axes[1])[:, 0]
        self.rows = np.column_stack([plane[:, :2], third, plane[:, 2]]).tolist()
        ahead = self.axes @ (canvas.camera.position - spot.base)
        away = float(np.hypot(ahead[0], ahead[2]))
        self.near = 1 if ahead[0] > 0 else -1  # the side that the camera sees
        self.wide = float(np.hypot(ahead[2] / away, 0.62 * ahead[0] / away))  # a body is wider from the front
        self.seen_face = float(ahead[2] / away)  # 1 from the front, -1 from behind

    def at(self, point: Joint) -> Point:
        """The pixel of a joint."""
        x, y, z = point
        (a, b, c, d), (e, f, g, h), (i, j, k, m) = self.rows
        depth = max(i * x + j * y + k * z + m, 0.5)
        return (a * x + b * y + c * z + d) / depth, (e * x + f * y + g * z + h) / depth

    def limb(self, a: Joint, b: Joint, radii: tuple[float, float], colour: Colour) -> None:
        """A rounded bar between two joints; radii in metres."""
        thick = self.scale * _STOUT
        self.canvas.limb(self.at(a), self.at(b), (radii[0] * thick, radii[1] * thick), colour)

    def ball(self, middle: Joint, radius: float, colour: Colour) -> None:
        self.canvas.disc(self.at(middle), radius * self.scale * _STOUT, colour)


def draw_person(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """Somebody who walks or stands."""
    body = _Body(canvas, spot, _dress(canvas, rng, dark=True))
    stride = float(rng.choice([0.06, rng.uniform(0.2, 0.42)]) * rng.choice([-1, 1]))
    gown = rng.random() < 0.3
    _arm(body, -body.near, stride)
    for side in (-body.near, body.near):
        _leg(body, side, stride * side)
    _trunk(body, gown, rng)
    _arm(body, body.near, stride)
    _head(body, (0.0, 1.63, 0.02), rng.random() < 0.25)
    canvas.finish(PERSON, spot.depth)


def draw_rider(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """Somebody on a bicycle or a scooter."""
    body = _Body(canvas, spot, _dress(canvas, rng, dark=False))
    frame = canvas.light.on(any_paint(rng))
    scooter = rng.random() < 0.35
    turn = rng.uniform(0, 2 * np.pi)
    _seated_leg(body, -body.near, turn + np.pi, scooter)
    if scooter:
        _scooter(body, frame)
    else:
        _bicycle(body, frame, turn)
    _seated_leg(body, body.near, turn, scooter)
    _riding(body, rng)
    canvas.finish(RIDER, spot.depth)


def _dress(canvas: Canvas, rng: np.random.Generator, dark: bool) -> Clothes:
    """Choose clothes, with a pattern brighter than the cloth, or darker."""
    on = canvas.light.on
    tone = rng.uniform(0.0, 1.0)
    deep = on(hsv(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.15, 0.6)))
    pale = on(hsv(rng.random(), rng.choice([0.06, 0.7]), rng.uniform(0.85, 1.0)))
    return Clothes(
        top=deep if dark else pale,
        second=pale if dark else deep,
        legs=on(hsv(rng.random(), rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.95))),
        skin=on(hsv(0.06 + 0.02 * tone, 0.55 - 0.25 * tone, 0.35 + 0.6 * tone)),
        hair=on(hsv(rng.uniform(0.02, 0.13), rng.uniform(0.0, 0.6), rng.choice([0.12, 0.25, 0.5, 0.85]))),
        shoes=on(hsv(rng.random(), 0.2, rng.choice([0.12, 0.3, 0.9]))),
    )


def _leg(body: _Body, side: int, stride: float) -> None:
    x = 0.1 * side
    colour = body.clothes.legs if side == body.near else dim(body.clothes.legs, 0.7)
    knee, foot = (x, 0.5, 0.5 * stride + 0.05), (x, 0.08, stride)
    body.limb((x, 0.92, 0.0), knee, (0.115, 0.09), colour)
    body.limb(knee, foot, (0.09, 0.065), colour)
    body.limb((x, 0.05, stride), (x, 0.04, stride + 0.17), (0.06, 0.05), body.clothes.shoes)


def _arm(body: _Body, side: int, stride: float) -> None:
    x = 0.25 * side * max(body.wide, 0.8)
    colour = dim(body.clothes.top, 0.85 if side == body.near else 0.65)
    elbow, hand = (x * 1.12, 1.14, -0.35 * stride * side), (x * 1.08, 0.9, -0.75 * stride * side + 0.1)
    body.limb((x, 1.4, 0.0), elbow, (0.075, 0.06), colour)
    body.limb(elbow, hand, (0.06, 0.05), colour)
    body.ball(hand, 0.05, body.clothes.skin)


def _trunk(body: _Body, gown: bool, rng: np.random.Generator) -> None:
    """The upper body in stripes, sometimes with a bag; a gown reaches to the knees."""
    wide, clothes = body.wide, body.clothes
    hem = 0.58 if gown else 0.92
    body.ball((0.0, 0.92, 0.0), 0.15 * wide, clothes.legs)
    body.limb((0.0, 1.36, 0.0), (0.0, hem, 0.0), (0.2 * wide, (0.25 if gown else 0.17) * wide), clothes.top)
    _squares(body, ((0.0, 1.42, 0.0), (0.0, hem, 0.0)), 0.21 * wide, (5 if gown else 4, 1))
    if body.seen_face < -0.3 and rng.random() < 0.35:
        body.limb((0.0, 1.36, -0.12), (0.0, 1.12, -0.14), (0.12 * wide, 0.13 * wide), dim(clothes.legs, 0.8))
    elif rng.random() < 0.25:
        body.limb((-0.2 * wide, 1.38, 0.0), (0.24 * wide, 0.95, 0.0), (0.025, 0.025), dim(clothes.legs, 0.6))
        body.ball((0.3 * wide, 0.86, 0.0), 0.12, dim(clothes.legs, 0.7))


def _squares(body: _Body, ends: tuple[Joint, Joint], half: float, count: tuple[int, int]) -> None:
    """A pattern in the second colour on a trunk: rows and columns of which every other square is painted."""
    a, b = (np.array(body.at(end)) for end in ends)
    rows, columns = count
    down = (b - a) / (rows + 0.5)
    across = np.array([-down[1], down[0]]) * (2 * half * _STOUT * body.scale / max(float(np.hypot(*down)), 0.1) / columns)
    left = a - across * columns / 2
    for row in range(rows):
        for column in range(columns):
            if (row + column) % 2 == 0:
                corner = left + down * row + across * column
                body.canvas.polygon(np.array([corner, corner + across, corner + across + down, corner + down]), body.clothes.second)


def _head(body: _Body, middle: tuple[float, float, float], hat: bool, helmet: bool = False) -> None:
    """Face, hair and what is on it; somebody seen from behind shows hair only."""
    x, y, z = middle
    cover = body.clothes.top if helmet else body.clothes.second if hat else body.clothes.hair
    body.limb((x, y - 0.18, z - 0.01), (x, y - 0.1, z), (0.06, 0.06), dim(body.clothes.skin, 0.8))
    body.limb((x, y + 0.035, z - 0.03), (x, y - 0.02, z - 0.04), (0.145, 0.13), cover)
    if body.seen_face > -0.35:
        body.limb((x, y - 0.01, z + 0.07), (x, y - 0.05, z + 0.07), (0.105, 0.09), body.clothes.skin)
    if hat:
        body.limb((x - 0.17 * body.wide, y + 0.06, z), (x + 0.17 * body.wide, y + 0.06, z), (0.035, 0.035), dim(cover, 0.7))
        body.limb((x, y + 0.1, z), (x, y + 0.08, z), (0.1, 0.12), cover)
    elif helmet:
        body.limb((x, y + 0.09, z - 0.02), (x, y + 0.07, z + 0.03), (0.125, 0.13), cover)
        body.limb((x - 0.1, y + 0.03, z + 0.05), (x + 0.1, y + 0.03, z + 0.05), (0.03, 0.03), dim(cover, 0.6))


def _wheel(body: _Body, middle: float, radius: float, thick: float, turn: float) -> None:
    """A wheel with its spokes."""
    around = np.linspace(0, 2 * np.pi, 19) + turn
    rim = np.array([body.at((0.0, radius + radius * math.sin(a), middle + radius * math.cos(a))) for a in around])
    hub = body.at((0.0, radius, middle))
    body.canvas.polygon(rim, body.canvas.light.on((205.0, 205.0, 200.0)))
    for i in range(0, 18, 3):
        body.canvas.line(np.array([hub, rim[i]]), 0.03 * body.scale, body.canvas.light.on((90.0, 90.0, 95.0)))
    body.canvas.line(rim, thick * body.scale, body.canvas.light.on((28.0, 28.0, 32.0)))


def _bicycle(body: _Body, frame: Colour, turn: float) -> None:
    for middle in (-0.52, 0.52):
        _wheel(body, middle, 0.36, 0.09, turn)
    crank, saddle, fork = (0.0, 0.32, -0.03), (0.0, 0.88, -0.2), (0.0, 0.84, 0.36)
    for a, b in ((crank, saddle), (crank, fork), (saddle, fork), (crank, (0.0, 0.36, -0.52)), (saddle, (0.0, 0.36, -0.52))):
        body.limb(a, b, (0.035, 0.035), frame)
    body.limb(fork, (0.0, 0.36, 0.52), (0.035, 0.03), frame)
    body.limb(fork, (0.0, 1.04, 0.34), (0.03, 0.03), frame)
    body.limb((-0.26, 1.05, 0.36), (0.26, 1.05, 0.36), (0.03, 0.03), dim(frame, 0.4))
    body.limb((0.0, 0.9, -0.3), (0.0, 0.92, -0.12), (0.06, 0.04), (24.0, 24.0, 26.0))


def _scooter(body: _Body, frame: Colour) -> None:
    for middle in (-0.5, 0.55):
        body.ball((0.0, 0.24, middle), 0.25, (24.0, 24.0, 28.0))
        body.ball((0.0, 0.24, middle), 0.12, body.canvas.light.on((185.0, 185.0, 190.0)))
    body.limb((0.0, 0.55, -0.5), (0.0, 0.5, -0.1), (0.2, 0.18), frame)
    body.limb((0.0, 0.3, -0.2), (0.0, 0.3, 0.3), (0.08, 0.08), dim(frame, 0.7))
    body.limb((0.0, 0.42, 0.45), (0.0, 0.95, 0.36), (0.17, 0.14), frame)
    body.limb((0.0, 0.72, -0.5), (0.0, 0.74, 0.0), (0.09, 0.08), (26.0, 26.0, 28.0))
    body.limb((-0.28, 1.04, 0.34), (0.28, 1.04, 0.34), (0.035, 0.035), (30.0, 30.0, 32.0))
    if body.seen_face > 0:
        body.ball((0.0, 0.95, 0.45), 0.09, (250.0, 245.0, 215.0))
    else:
        body.limb((-0.06, 0.62, -0.7), (0.06, 0.62, -0.7), (0.05, 0.05), (215.0, 40.0, 35.0))


def _seated_leg(body: _Body, side: int, turn: float, scooter: bool) -> None:
    x = 0.12 * side
    colour = body.clothes.legs if side == body.near else dim(body.clothes.legs, 0.7)
    foot = (x, 0.38, 0.15) if scooter else (x, 0.32 + 0.15 * np.sin(turn), -0.03 + 0.15 * np.cos(turn))
    knee = (x * 1.3, 0.5 * (foot[1] + 0.98) + 0.06, 0.5 * (foot[2] - 0.2) + 0.24)
    body.limb((x, 0.96, -0.2), knee, (0.125, 0.09), colour)
    body.limb(knee, foot, (0.09, 0.06), colour)
    body.limb((x, foot[1] - 0.04, foot[2]), (x, foot[1] - 0.04, foot[2] + 0.15), (0.055, 0.045), body.clothes.shoes)


def _riding(body: _Body, rng: np.random.Generator) -> None:
    """The upper body of a rider, who leans forward to the handlebar."""
    clothes, wide = body.clothes, body.wide
    far, near = -0.22 * body.near, 0.22 * body.near
    body.limb((far, 1.42, 0.06), (far * 1.1, 1.06, 0.36), (0.065, 0.05), dim(clothes.top, 0.65))
    body.limb((0.0, 1.38, 0.05), (0.0, 1.0, -0.2), (0.21 * wide, 0.17 * wide), clothes.top)
    _squares(body, ((0.0, 1.46, 0.08), (0.0, 1.02, -0.17)), 0.19 * wide, (1, 3))  # upright stripes, a walker's lie
    elbow = (near * 1.25, 1.18, 0.18)
    body.limb((near, 1.42, 0.06), elbow, (0.075, 0.06), dim(clothes.top, 0.85))
    body.limb(elbow, (near * 1.1, 1.06, 0.36), (0.06, 0.05), dim(clothes.top, 0.85))
    _head(body, (0.0, 1.66, 0.14), hat=False, helmet=bool(rng.random() < 0.85))
