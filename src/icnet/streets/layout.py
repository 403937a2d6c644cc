"""The plan of a street: how wide its lanes are, how it bends and climbs, and what stands where."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from icnet.streets.camera import Camera, Floats, axes


class Layout(NamedTuple):
    """A street along z. `across` is metres to the right of its middle, `along` metres ahead of the camera.

    The middle runs through x = bend * along², y = rise * along².
    """

    half: float  # half the width of the road, metres
    walks: tuple[float, float]  # widths of the left and the right sidewalk, metres
    bend: float
    rise: float
    crossing: tuple[float, float]  # along: middle and half width of the road that crosses
    reach: float  # along: what lies further is hidden behind the rise

    def at(self, across: Floats | float, along: Floats | float, above: float = 0.0) -> Floats:
        """World points (N, 3) from plan coordinates, which broadcast."""
        across, along = np.broadcast_arrays(np.atleast_1d(across), np.atleast_1d(along))
        return np.stack([across + self.bend * along**2, self.rise * along**2 + above, along], axis=1)

    def point(self, across: float, along: float) -> tuple[float, float, float]:
        """The world point of a place in the plan."""
        return across + self.bend * along**2, self.rise * along**2, along

    def on_crossing(self, near: float, length: float = 0.0) -> bool:
        """Whether some of the way from `near` on belongs to the road that crosses."""
        middle, half = self.crossing
        return near < middle + half and near + length > middle - half

    def heading(self, along: float) -> float:
        """The direction of the street (radians to the right of z)."""
        return math.atan(2 * self.bend * along)


class Spot(NamedTuple):
    """Where a thing stands and how it is turned."""

    base: Floats  # (3,) world point on the ground
    across: float  # in the plan of the street
    heading: float  # radians to the right of z
    height: float  # metres
    depth: float  # metres ahead of the camera


def draw_layout(rng: np.random.Generator) -> Layout:
    """Choose a street."""
    rise = rng.choice([0.0, rng.uniform(0.0002, 0.0016), -rng.uniform(0.0001, 0.0003)])
    crossing = (rng.uniform(14, 45), rng.uniform(3, 5)) if rng.random() < 0.55 else (-100.0, 0.0)
    return Layout(
        half=rng.uniform(2.8, 4.8),
        walks=(rng.uniform(3.5, 7.0), rng.uniform(3.5, 7.0)),
        bend=float(rng.choice([0.0, rng.uniform(-0.004, 0.004)])),
        rise=float(rise),
        crossing=crossing,
        reach=60.0 if rise >= 0 else min(60.0, 0.9 * math.sqrt(1.5 / -rise)),
    )


def draw_camera(rng: np.random.Generator, layout: Layout, size: tuple[int, int]) -> Camera:
    """Choose a point of view for a frame of (height, width): mostly a driver's, now and then a walker's or a balcony's."""
    height, width = size
    focal = height * rng.uniform(1.25, 1.9)
    across = rng.uniform(-1.0, 1.0) * (layout.half + (2.5 if rng.random() < 0.5 else -1.0))
    up = float(rng.choice([rng.uniform(1.4, 2.2), rng.uniform(2.0, 3.2), rng.uniform(3.0, 5.5)], p=(0.58, 0.3, 0.12)))
    horizon = rng.uniform(0.25, 0.62) if up < 3 else rng.uniform(0.1, 0.38)
    pitch = math.atan((horizon - 0.5) * height / focal) * rng.uniform(0.2, 0.8)
    middle = horizon * height - focal * math.tan(
        pitch
    )  # the rest of the tilt is a shifted lens: verticals stay upright
    inwards = -across / (layout.half + 2)  # look towards the street, not at the wall beside the camera
    yaw = 0.22 * inwards + 0.15 * rng.standard_normal() + 30 * layout.bend
    turned = axes(float(np.clip(yaw, -0.5, 0.5)), pitch, 0.03 * rng.standard_normal())
    return Camera(height, width, focal, (width / 2 - 0.5, middle), np.array([across, up, 0.0]), turned)
