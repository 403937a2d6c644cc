"""The people of a street scene: on foot, and on two wheels."""

from __future__ import annotations

import math

import numpy as np

from icnet.streets.bodies import Body, draw_clothes, draw_head, draw_squares
from icnet.streets.canvas import PERSON, RIDER, Canvas
from icnet.streets.facade import any_paint
from icnet.streets.layout import Spot
from icnet.streets.light import Colour, dim


def draw_person(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """Somebody who walks or stands."""
    body = Body(canvas, spot, draw_clothes(canvas, rng, dark=True))
    stride = float(rng.choice([0.06, rng.uniform(0.2, 0.42)]) * rng.choice([-1, 1]))
    gown = rng.random() < 0.3
    _arm(body, -body.near, stride)
    for side in (-body.near, body.near):
        _leg(body, side, stride * side)
    _trunk(body, gown, rng)
    _arm(body, body.near, stride)
    draw_head(body, (0.0, 1.63, 0.02), rng.random() < 0.25)
    canvas.finish(PERSON, spot.depth)


def draw_rider(canvas: Canvas, spot: Spot, rng: np.random.Generator) -> None:
    """Somebody on a bicycle or a scooter."""
    body = Body(canvas, spot, draw_clothes(canvas, rng, dark=False))
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


def _leg(body: Body, side: int, stride: float) -> None:
    x = 0.1 * side
    colour = body.clothes.legs if side == body.near else dim(body.clothes.legs, 0.7)
    knee, foot = (x, 0.5, 0.5 * stride + 0.05), (x, 0.08, stride)
    body.limb((x, 0.92, 0.0), knee, (0.13, 0.105), colour)
    body.limb(knee, foot, (0.105, 0.08), colour)
    body.limb((x, 0.05, stride), (x, 0.04, stride + 0.17), (0.06, 0.05), body.clothes.shoes)


def _arm(body: Body, side: int, stride: float) -> None:
    x = 0.25 * side * max(body.wide, 0.8)
    colour = dim(body.clothes.top, 0.85 if side == body.near else 0.65)
    elbow, hand = (x * 1.12, 1.14, -0.35 * stride * side), (x * 1.08, 0.9, -0.75 * stride * side + 0.1)
    body.limb((x, 1.4, 0.0), elbow, (0.075, 0.06), colour)
    body.limb(elbow, hand, (0.06, 0.05), colour)
    body.ball(hand, 0.05, body.clothes.skin)


def _trunk(body: Body, gown: bool, rng: np.random.Generator) -> None:
    """The upper body in stripes, sometimes with a bag; a gown reaches to the knees."""
    wide, clothes = body.wide, body.clothes
    hem = 0.58 if gown else 0.92
    body.ball((0.0, 0.92, 0.0), 0.15 * wide, clothes.legs)
    body.limb((0.0, 1.36, 0.0), (0.0, hem, 0.0), (0.2 * wide, (0.25 if gown else 0.17) * wide), clothes.top)
    draw_squares(body, ((0.0, 1.42, 0.0), (0.0, hem, 0.0)), 0.21 * wide, (5 if gown else 4, 1))
    if body.seen_face < -0.3 and rng.random() < 0.35:
        body.limb((0.0, 1.36, -0.12), (0.0, 1.12, -0.14), (0.12 * wide, 0.13 * wide), dim(clothes.legs, 0.8))
    elif rng.random() < 0.25:
        body.limb((-0.2 * wide, 1.38, 0.0), (0.24 * wide, 0.95, 0.0), (0.025, 0.025), dim(clothes.legs, 0.6))
        body.ball((0.3 * wide, 0.86, 0.0), 0.12, dim(clothes.legs, 0.7))


def _wheel(body: Body, middle: float, radius: float, thick: float, turn: float) -> None:
    """A wheel with its spokes."""
    around = np.linspace(0, 2 * np.pi, 19) + turn
    rim = np.array([body.at((0.0, radius + radius * math.sin(a), middle + radius * math.cos(a))) for a in around])
    hub = body.at((0.0, radius, middle))
    body.canvas.polygon(rim, body.canvas.light.on((205.0, 205.0, 200.0)))
    for i in range(0, 18, 3):
        body.canvas.line(np.array([hub, rim[i]]), 0.03 * body.scale, body.canvas.light.on((90.0, 90.0, 95.0)))
    body.canvas.line(rim, thick * body.scale, body.canvas.light.on((28.0, 28.0, 32.0)))


def _bicycle(body: Body, frame: Colour, turn: float) -> None:
    for middle in (-0.52, 0.52):
        _wheel(body, middle, 0.36, 0.09, turn)
    crank, saddle, fork = (0.0, 0.32, -0.03), (0.0, 0.88, -0.2), (0.0, 0.84, 0.36)
    rear = (0.0, 0.36, -0.52)
    for a, b in ((crank, saddle), (crank, fork), (saddle, fork), (crank, rear), (saddle, rear)):
        body.limb(a, b, (0.035, 0.035), frame)
    body.limb(fork, (0.0, 0.36, 0.52), (0.035, 0.03), frame)
    body.limb(fork, (0.0, 1.04, 0.34), (0.03, 0.03), frame)
    body.limb((-0.26, 1.05, 0.36), (0.26, 1.05, 0.36), (0.03, 0.03), dim(frame, 0.4))
    body.limb((0.0, 0.9, -0.3), (0.0, 0.92, -0.12), (0.06, 0.04), (24.0, 24.0, 26.0))


def _scooter(body: Body, frame: Colour) -> None:
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


def _seated_leg(body: Body, side: int, turn: float, scooter: bool) -> None:
    x = 0.12 * side
    colour = body.clothes.legs if side == body.near else dim(body.clothes.legs, 0.7)
    foot = (x, 0.38, 0.15) if scooter else (x, 0.32 + 0.15 * np.sin(turn), -0.03 + 0.15 * np.cos(turn))
    knee = (x * 1.3, 0.5 * (foot[1] + 0.98) + 0.06, 0.5 * (foot[2] - 0.2) + 0.24)
    body.limb((x, 0.96, -0.2), knee, (0.125, 0.09), colour)
    body.limb(knee, foot, (0.09, 0.06), colour)
    body.limb((x, foot[1] - 0.04, foot[2]), (x, foot[1] - 0.04, foot[2] + 0.15), (0.055, 0.045), body.clothes.shoes)


def _riding(body: Body, rng: np.random.Generator) -> None:
    """The upper body of a rider, who leans forward to the handlebar."""
    clothes, wide = body.clothes, body.wide
    far, near = -0.22 * body.near, 0.22 * body.near
    body.limb((far, 1.42, 0.06), (far * 1.1, 1.06, 0.36), (0.065, 0.05), dim(clothes.top, 0.65))
    body.limb((0.0, 1.38, 0.05), (0.0, 1.0, -0.2), (0.21 * wide, 0.17 * wide), clothes.top)
    draw_squares(body, ((0.0, 1.46, 0.08), (0.0, 1.02, -0.17)), 0.19 * wide, (1, 3))  # upright stripes, a walker's lie
    elbow = (near * 1.25, 1.18, 0.18)
    body.limb((near, 1.42, 0.06), elbow, (0.075, 0.06), dim(clothes.top, 0.85))
    body.limb(elbow, (near * 1.1, 1.06, 0.36), (0.06, 0.05), dim(clothes.top, 0.85))
    draw_head(body, (0.0, 1.66, 0.14), hat=False, helmet=bool(rng.random() < 0.85))
