"""Draws a street scene: image, labels and instances of one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet.streets.backdrop import draw_sky
from icnet.streets.buildings import Building, Gap, draw_building, draw_end, draw_rows, in_sight
from icnet.streets.camera import Floats
from icnet.streets.canvas import Canvas, Pixels
from icnet.streets.cars import draw_car
from icnet.streets.cast import Thing, cast_shadow, draw_cast, draw_yard, footprint, shadow
from icnet.streets.finish import finish
from icnet.streets.furniture import draw_bollard, draw_gantry, draw_lamp, draw_sign
from icnet.streets.ground import draw_ground
from icnet.streets.layout import Layout, draw_camera, draw_layout
from icnet.streets.light import draw_light
from icnet.streets.people import draw_person, draw_rider
from icnet.streets.plants import draw_bush, draw_hedge, draw_leaves, draw_tree, season


class Street(NamedTuple):
    """A frame: image (H, W, 3) red first, Cityscapes label ids (H, W), and instance ids (H, W).

    An instance id is the label id, or 1000 times the label id plus a count for person, rider and car.
    """

    image: Pixels
    label_ids: Pixels
    instance_ids: npt.NDArray[np.uint16]


def draw_street(seed: int, index: int, size: tuple[int, int]) -> Street:
    """Draw frame `index` of the streets of a seed at (height, width); the same arguments give the same frame."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    layout, light = draw_layout(rng), draw_light(rng)
    canvas = Canvas(draw_camera(rng, layout, size), light)
    houses, gaps = draw_rows(rng, layout)
    things = draw_cast(rng, canvas.camera, layout)
    draw_sky(canvas, rng)
    draw_ground(canvas, layout, _shadows(canvas, houses, things), rng)
    year = season(rng)
    _draw_rows(canvas, layout, in_sight(canvas.camera, [*draw_end(rng, layout), *houses]), gaps, year, rng)
    for thing in things:
        _draw_thing(canvas, thing, year, rng)
    return Street(finish(canvas, rng), canvas.labels, canvas.instances)


def _shadows(canvas: Canvas, houses: list[Building], things: list[Thing]) -> Iterator[Floats]:
    """The outlines in pixels of all shadows on the ground."""
    for house in houses if canvas.light.shadow > 0.15 else ():
        yield _hull(canvas, cast_shadow(house.base, house.height, canvas.light.to_sun))
    for thing in things:
        yield _hull(canvas, shadow(thing, canvas.light.to_sun))
        yield _hull(canvas, footprint(thing))


def _hull(canvas: Canvas, points: Floats) -> Floats:
    """The pixels around points of the ground (N, 3)."""
    flat = cv2.convexHull(points[:, [0, 2]].astype(np.float32))[:, 0]
    height = float(points[:, 1].mean())
    return canvas.camera.outline(np.stack([flat[:, 0], np.full(len(flat), height), flat[:, 1]], axis=1))


def _draw_rows(
    canvas: Canvas, layout: Layout, houses: list[Building], gaps: list[Gap], year: int, rng: np.random.Generator
) -> None:
    """Houses, and what grows between them, from back to front."""
    work: list[tuple[float, Callable[[], None]]] = []
    for house in houses:
        work.append((float(house.near[2] + house.far[2]) / 2, partial(draw_building, canvas, house)))
    for gap in gaps:
        for thing in draw_yard(rng, canvas.camera, layout, gap):
            work.append((float(thing.spot.base[2]), partial(_draw_thing, canvas, thing, year, rng)))
        ends = layout.at(gap.across, np.array([gap.near, gap.far]))
        work.append((gap.near, partial(draw_hedge, canvas, ends, 1.1, draw_leaves(rng, year), rng)))
    for _, draw in sorted(work, key=lambda item: -item[0]):
        draw()


def _draw_thing(canvas: Canvas, thing: Thing, year: int, rng: np.random.Generator) -> None:
    if thing.kind in _PLANTS:
        _PLANTS[thing.kind](canvas, thing.spot, draw_leaves(rng, year), rng)
    elif thing.kind == "car":
        draw_car(canvas, thing.spot, rng)
    else:
        _OTHERS[thing.kind](canvas, thing.spot, rng)


_PLANTS = {"tree": draw_tree, "bush": draw_bush}
_OTHERS = {
    "person": draw_person,
    "rider": draw_rider,
    "lamp": draw_lamp,
    "bollard": draw_bollard,
    "sign": draw_sign,
    "gantry": draw_gantry,
}
