"""The hour and the weather of a street scene: what light falls on a surface, and from where."""

from __future__ import annotations

import colorsys
import math
from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]  # red, green, blue in 0..255; light has 255 for 'as bright as the paint'


class Light(NamedTuple):
    """Ambient light, the sun (or moon), the colours of the sky from zenith to horizon, and the air."""

    ambient: Colour
    sun: Colour
    to_sun: tuple[float, float, float]  # unit vector
    shadow: float  # 0..1, how much of the light the ground loses in a shadow
    zenith: Colour
    horizon: Colour
    cloud: Colour
    cover: float  # 0..1, share of the sky under clouds
    haze: float  # 1 / metres: what share of the light the air swaps for its own colour per metre
    lamps: float  # 0..1, how many windows and lamps are lit

    def on(self, colour: Colour, normal: tuple[float, float, float] = (0.0, 0.4, -0.5)) -> Colour:
        """A paint as it looks on a surface that faces along `normal`."""
        (r, g, b), (ar, ag, ab), (sr, sg, sb), (x, y, z) = colour, self.ambient, self.sun, self.to_sun
        facing = max(0.0, normal[0] * x + normal[1] * y + normal[2] * z)
        r, g, b = r * (ar + facing * sr) / 255, g * (ag + facing * sg) / 255, b * (ab + facing * sb) / 255
        return (min(r, 255.0), min(g, 255.0), min(b, 255.0))


def draw_light(rng: np.random.Generator) -> Light:
    """Choose an hour and a weather."""
    hours = (_day, _overcast, _dusk, _night, _fog)
    return hours[rng.choice(5, p=(0.54, 0.12, 0.18, 0.1, 0.06))](rng)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour by hue (turns, any real number), saturation and value (0..1)."""
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return (255 * r, 255 * g, 255 * b)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` (0..1) of b, the rest of a."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def dim(colour: Colour, factor: float) -> Colour:
    """A colour brighter or darker by a factor."""
    return (min(colour[0] * factor, 255.0), min(colour[1] * factor, 255.0), min(colour[2] * factor, 255.0))


def _towards_sun(rng: np.random.Generator, low: float, high: float) -> tuple[float, float, float]:
    """A unit vector to a sun between two heights (radians) at any point of the compass."""
    height, around = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
    return (math.cos(around) * math.cos(height), math.sin(height), math.sin(around) * math.cos(height))


def _day(rng: np.random.Generator) -> Light:
    hue = rng.choice([0.56, 0.6, 0.52, 0.64]) + rng.uniform(-0.02, 0.02)
    return Light(
        ambient=hsv(hue, rng.uniform(0.05, 0.25), rng.uniform(0.45, 0.65)),
        sun=hsv(0.11, rng.uniform(0.05, 0.25), rng.uniform(0.6, 0.9)),
        to_sun=_towards_sun(rng, 0.5, 1.2),
        shadow=rng.uniform(0.35, 0.6),
        zenith=hsv(hue, rng.uniform(0.3, 0.8), rng.uniform(0.35, 0.95)),
        horizon=hsv(hue, rng.uniform(0.05, 0.35), rng.uniform(0.75, 1.0)),
        cloud=hsv(hue, 0.04, rng.uniform(0.85, 1.0)),
        cover=rng.uniform(0.1, 0.8),
        haze=rng.uniform(0.0, 0.006),
        lamps=0.03,
    )


def _overcast(rng: np.random.Generator) -> Light:
    hue, grey = rng.uniform(0.0, 1.0), rng.uniform(0.4, 0.85)
    return Light(
        ambient=hsv(hue, rng.uniform(0.02, 0.12), rng.uniform(0.6, 0.9)),
        sun=hsv(hue, 0.1, 0.15),
        to_sun=_towards_sun(rng, 1.0, 1.5),
        shadow=rng.uniform(0.1, 0.25),
        zenith=hsv(hue, rng.uniform(0.02, 0.2), grey),
        horizon=hsv(hue + 0.05, rng.uniform(0.02, 0.15), min(1.0, grey * rng.uniform(0.9, 1.3))),
        cloud=hsv(hue, 0.05, grey * rng.uniform(0.7, 1.2)),
        cover=rng.uniform(0.5, 1.0),
        haze=rng.uniform(0.001, 0.008),
        lamps=rng.uniform(0.0, 0.3),
    )


def _dusk(rng: np.random.Generator) -> Light:
    hue = rng.uniform(-0.01, 0.13)
    return Light(
        ambient=hsv(rng.uniform(0.6, 0.8), rng.uniform(0.08, 0.25), rng.uniform(0.45, 0.6)),
        sun=hsv(hue, rng.uniform(0.3, 0.6), rng.uniform(0.5, 0.9)),
        to_sun=_towards_sun(rng, 0.15, 0.45),
        shadow=rng.uniform(0.25, 0.45),
        zenith=hsv(rng.uniform(0.55, 0.8), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.75)),
        horizon=hsv(hue, rng.uniform(0.2, 0.6), rng.uniform(0.7, 1.0)),
        cloud=hsv(hue - 0.03, rng.uniform(0.2, 0.55), rng.uniform(0.5, 1.0)),
        cover=rng.uniform(0.2, 0.8),
        haze=rng.uniform(0.001, 0.008),
        lamps=rng.uniform(0.1, 0.5),
    )


def _night(rng: np.random.Generator) -> Light:
    hue = rng.uniform(0.54, 0.74)
    return Light(
        ambient=hsv(hue, rng.uniform(0.15, 0.4), rng.uniform(0.32, 0.5)),
        sun=hsv(0.1, rng.uniform(0.2, 0.5), rng.uniform(0.15, 0.35)),
        to_sun=_towards_sun(rng, 0.7, 1.4),
        shadow=rng.uniform(0.15, 0.35),
        zenith=hsv(hue, rng.uniform(0.3, 0.75), rng.uniform(0.08, 0.3)),
        horizon=hsv(hue + rng.uniform(-0.08, 0.1), rng.uniform(0.2, 0.55), rng.uniform(0.15, 0.5)),
        cloud=hsv(hue, rng.uniform(0.1, 0.4), rng.uniform(0.2, 0.5)),
        cover=rng.uniform(0.0, 0.7),
        haze=rng.uniform(0.0, 0.006),
        lamps=rng.uniform(0.4, 0.8),
    )


def _fog(rng: np.random.Generator) -> Light:
    hue, grey = rng.choice([0.08, 0.55, 0.65, 0.95, 0.3]), rng.uniform(0.45, 0.9)
    air = hsv(hue, rng.uniform(0.02, 0.3), grey)
    return Light(
        ambient=hsv(hue, rng.uniform(0.02, 0.2), rng.uniform(0.55, 0.85)),
        sun=hsv(0.1, 0.1, rng.uniform(0.1, 0.3)),
        to_sun=_towards_sun(rng, 0.4, 1.3),
        shadow=rng.uniform(0.05, 0.2),
        zenith=dim(air, rng.uniform(0.8, 1.05)),
        horizon=air,
        cloud=dim(air, rng.uniform(0.9, 1.1)),
        cover=rng.uniform(0.0, 0.5),
        haze=rng.uniform(0.01, 0.02),
        lamps=rng.uniform(0.1, 0.6),
    )
