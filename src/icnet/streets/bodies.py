"""The parts that all people of a street scene have: limbs, clothes, a head."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from icnet.streets.canvas import Canvas, Point
from icnet.streets.layout import Spot
from icnet.streets.light import Colour, dim, hsv

Joint = tuple[float, float, float]  # to the right, up, ahead, in metres of a body of _TALL
_STOUT = 1.35  # how much thicker than life the figures are
_TALL = 1.75  # metres; all joints are given for a body of this height


class Clothes(NamedTuple):
    """What a figure wears, as it looks in the light of the scene."""

    top: Colour
    second: Colour  # of stripes and bags
    legs: Colour
    skin: Colour
    hair: Colour
    shoes: Colour


class Body:
    """A figure at its spot.

    near: the side that the camera sees, 1 for its right; wide: how broad it looks, 1 from the front, less from the side;
    seen_face: 1 where it looks at the camera, -1 where it looks away.
    """

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
        self.near = 1 if ahead[0] > 0 else -1
        self.wide = float(np.hypot(ahead[2] / away, 0.62 * ahead[0] / away))
        self.seen_face = float(ahead[2] / away)

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


def draw_clothes(canvas: Canvas, rng: np.random.Generator, dark: bool) -> Clothes:
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


def draw_squares(body: Body, ends: tuple[Joint, Joint], half: float, count: tuple[int, int]) -> None:
    """A pattern in the second colour on a trunk: rows and columns of which every other square is painted."""
    a, b = (np.array(body.at(end)) for end in ends)
    rows, columns = count
    down = (b - a) / (rows + 0.5)
    width = 2 * half * _STOUT * body.scale / columns
    across = np.array([-down[1], down[0]]) * (width / max(float(np.hypot(*down)), 0.1))
    left = a - across * columns / 2
    for row in range(rows):
        for column in range(columns):
            if (row + column) % 2 == 0:
                corner = left + down * row + across * column
                square = np.array([corner, corner + across, corner + across + down, corner + down])
                body.canvas.polygon(square, body.clothes.second)


def draw_head(body: Body, middle: tuple[float, float, float], hat: bool, helmet: bool = False) -> None:
    """Face, hair and what is on it; somebody seen from behind shows hair only."""
    x, y, z = middle
    cover = body.clothes.top if helmet else body.clothes.second if hat else body.clothes.hair
    body.limb((x, y - 0.18, z - 0.01), (x, y - 0.1, z), (0.06, 0.06), dim(body.clothes.skin, 0.8))
    body.limb((x, y + 0.035, z - 0.03), (x, y - 0.02, z - 0.04), (0.145, 0.13), cover)
    if body.seen_face > -0.35:
        body.limb((x, y - 0.01, z + 0.07), (x, y - 0.05, z + 0.07), (0.105, 0.09), body.clothes.skin)
        for side in (-0.045, 0.045) if body.seen_face > 0.3 else ():
            body.ball((x + side, y, z + 0.16), 0.016, (25.0, 20.0, 20.0))
    if hat:
        brim = 0.17 * body.wide
        body.limb((x - brim, y + 0.06, z), (x + brim, y + 0.06, z), (0.035, 0.035), dim(cover, 0.7))
        body.limb((x, y + 0.1, z), (x, y + 0.08, z), (0.1, 0.12), cover)
    elif helmet:
        body.limb((x, y + 0.09, z - 0.02), (x, y + 0.07, z + 0.03), (0.125, 0.13), cover)
        body.limb((x - 0.1, y + 0.03, z + 0.05), (x + 0.1, y + 0.03, z + 0.05), (0.03, 0.03), dim(cover, 0.6))
