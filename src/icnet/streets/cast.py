"""Who and what is in a street scene: finds a free place in view for each car, figure, tree, lamp and sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from icnet.streets.buildings import Gap
from icnet.streets.camera import Camera, Floats
from icnet.streets.layout import Layout, Spot

Box = tuple[float, float, float, float]  # left, top, right, foot in pixels
_TRIES = 18
_HIDDEN = 0.22  # share of a thing that may be hidden


class Thing(NamedTuple):
    """A thing of some kind at its spot; `reach` is half of what it takes up on the ground, along and across it.

    box is what it takes up of the frame, roughly.
    """

    kind: str
    spot: Spot
    reach: tuple[float, float]
    box: Box = (0.0, 0.0, 0.0, 0.0)


class _Role(NamedTuple):
    """How many things of a kind there are, and where they may stand."""

    kind: str
    many: tuple[int, int]
    height: tuple[float, float]  # metres
    share: tuple[float, float]  # of the frame's height that its height may take up
    place: Callable[[np.random.Generator, Layout], tuple[float, float]]  # across, heading
    reach: tuple[float, float]  # metres, along and across
    wide: float  # half of its width on the screen, as a share of its height
    whole: bool  # whether its foot must be in the frame


def draw_cast(rng: np.random.Generator, camera: Camera, layout: Layout) -> list[Thing]:
    """All things beside and on the road, the furthest first."""
    things: list[Thing] = []
    for role in _ROLES:
        fitted = role._replace(share=_sizes(camera, layout, role))
        for _ in range(rng.integers(role.many[0], role.many[1] + 1)):
            things.extend(_search(rng, camera, layout, fitted, things))
    return sorted(things, key=lambda thing: -thing.spot.depth)


def draw_yard(rng: np.random.Generator, camera: Camera, layout: Layout, gap: Gap) -> Iterator[Thing]:
    """Trees and bushes where a house is missing."""
    for _ in range(round((gap.far - gap.near) / 4)):
        along, across = rng.uniform(gap.near, gap.far), gap.across + gap.side * rng.uniform(1.5, 9)
        base = layout.at(across, along)[0]
        depth = camera.depth(base)
        if 3.5 < depth < 35:
            kind, height = ("tree", rng.uniform(4, 9)) if rng.random() < 0.75 else ("bush", rng.uniform(1.2, 2.5))
            yield Thing(kind, Spot(base, across, 0.0, height, depth), (0.3, 0.3))


def shadow(thing: Thing, to_sun: tuple[float, float, float]) -> Floats:
    """The corners (N, 3) of the patch of ground that a thing keeps the sun from; it is convex once wrapped in a hull."""
    return cast_shadow(footprint(thing), min(thing.spot.height, 6.0), to_sun)


def cast_shadow(base: Floats, height: float, to_sun: tuple[float, float, float]) -> Floats:
    """What a prism of some height over ground points (N, 3) shades, corners (2 N, 3) in no order."""
    reach = -height / max(to_sun[1], 0.25)
    away = np.array([to_sun[0] * reach, 0.0, to_sun[2] * reach])
    return np.concatenate([base, base + away])


def footprint(thing: Thing) -> Floats:
    """The corners (4, 3) of the ground under a thing."""
    turn = thing.spot.heading
    ahead = np.array([np.sin(turn), 0.0, np.cos(turn)]) * thing.reach[0]
    right = np.array([np.cos(turn), 0.0, -np.sin(turn)]) * thing.reach[1]
    return np.array([ahead + right, ahead - right, -ahead - right, right - ahead]) + thing.spot.base


def _search(rng: np.random.Generator, camera: Camera, layout: Layout, role: _Role, taken: list[Thing]) -> list[Thing]:
    """A thing at a place in view where it hides no other and none hides it; nothing where no place was found."""
    smallest, largest = (math.log(share) for share in role.share)
    for _ in range(_TRIES):
        height = rng.uniform(*role.height)
        along = camera.focal * height / (math.exp(rng.uniform(smallest, largest)) * camera.height)
        if along > layout.reach or (layout.on_crossing(along, 0.1) and role.kind != "car"):
            continue
        across, heading = role.place(rng, layout)
        base = layout.point(across, along)
        x, y, depth = camera.see(base)
        scale = camera.focal / max(depth, 1.0)
        half = role.wide * height * scale
        outside = not 0.5 * half < x < camera.width - 0.5 * half or (role.whole and y > 1.03 * camera.height)
        if depth < 2.5 or outside:
            continue
        spot = Spot(np.array(base), across, heading + layout.heading(along), height, depth)
        thing = Thing(role.kind, spot, role.reach, (x - half, y - height * scale, x + half, y))
        if not any(_clash(thing, other) for other in taken):
            return [thing]
    return []


def _sizes(camera: Camera, layout: Layout, role: _Role) -> tuple[float, float]:
    """How large on the screen things of a kind may be here: with the whole of them in the frame, where that is wanted."""
    for share in np.geomspace(role.share[1], 0.12, 10).tolist() if role.whole else ():
        along = camera.focal * role.height[0] / (share * camera.height)
        if camera.see(layout.point(float(camera.position[0]), along))[1] < camera.height:
            return min(role.share[0], 0.7 * share), share
    return role.share


def _clash(a: Thing, b: Thing) -> bool:
    """Whether two things stand in the same place, or the nearer one hides much of the other."""
    if abs(a.spot.depth - b.spot.depth) < 5 and math.dist(a.spot.base, b.spot.base) < 0.8 * (
        max(a.reach) + max(b.reach)
    ):
        return True
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    far = a if a.spot.depth > b.spot.depth else b
    left, top, right, foot = far.box
    bearable = _HIDDEN if far.kind != "car" else 0.5
    return width > 0 and height > 0 and width * height > bearable * (right - left) * (foot - top)


def _side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _lane(rng: np.random.Generator, layout: Layout) -> tuple[float, float]:
    """Parked at the kerb, or driving: towards the camera on the left, away from it on the right."""
    side = _side(rng)
    turned = rng.choice([0.0, np.pi]) if rng.random() < 0.25 else (0.0 if side > 0 else np.pi)
    if rng.random() < 0.55:
        return side * (layout.half - 1.15), turned + rng.normal(0, 0.04)
    odd = rng.uniform(-1.2, 1.2) if rng.random() < 0.2 else rng.normal(0, 0.06)
    return side * layout.half * rng.uniform(0.3, 0.55), turned + odd


def _cycling(rng: np.random.Generator, layout: Layout) -> tuple[float, float]:
    across = rng.uniform(-1, 1) * (layout.half + 1.0)
    turned = (0.0 if rng.random() < 0.5 else np.pi) + rng.uniform(0.35, 1.3) * _side(rng)  # mostly seen from the side
    return across, turned


def _walking(rng: np.random.Generator, layout: Layout) -> tuple[float, float]:
    """On a sidewalk, now and then across the road, in any direction."""
    if rng.random() < 0.16:
        return rng.uniform(-layout.half, layout.half), rng.choice([-1, 1]) * np.pi / 2
    side = _side(rng)
    across = side * (layout.half + rng.uniform(0.6, max(0.7, layout.walks[side > 0] - 0.6)))
    return across, rng.choice([0.0, np.pi, rng.uniform(0, 2 * np.pi)]) + rng.normal(0, 0.2)


def _kerb(rng: np.random.Generator, layout: Layout) -> tuple[float, float]:
    return _side(rng) * (layout.half + rng.choice([0.6, rng.uniform(0.5, 3.0)])), rng.normal(0, 0.25)


def _green(rng: np.random.Generator, layout: Layout) -> tuple[float, float]:
    side = _side(rng)
    return side * (layout.half + rng.choice([1.0, rng.uniform(1.0, layout.walks[side > 0])])), 0.0


_ROLES = (
    _Role("rider", (2, 3), (1.65, 1.9), (0.36, 0.8), _cycling, (0.8, 0.4), 0.32, True),
    _Role("sign", (2, 3), (2.4, 3.2), (0.42, 0.9), _kerb, (0.3, 0.3), 0.12, False),
    _Role("person", (3, 4), (1.6, 1.95), (0.4, 0.85), _walking, (0.4, 0.4), 0.2, True),
    _Role("car", (2, 4), (1.5, 1.5), (0.15, 0.4), _lane, (2.2, 0.9), 0.9, False),
    _Role("lamp", (1, 3), (4.0, 6.5), (0.6, 1.7), _kerb, (0.3, 0.3), 0.05, False),
    _Role("tree", (1, 3), (4.0, 7.5), (0.5, 1.5), _green, (0.8, 0.8), 0.3, False),
    _Role("gantry", (0, 1), (5.0, 6.5), (0.5, 0.9), _kerb, (0.3, 0.3), 0.1, False),
    _Role("bollard", (0, 1), (1.0, 1.3), (0.2, 0.4), _kerb, (0.3, 0.3), 0.2, False),
)
