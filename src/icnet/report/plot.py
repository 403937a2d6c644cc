"""A plot of points and lines as part of a page: it follows the page's width and colours, and its words keep their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_TICKS = 5


class Line(NamedTuple):
    """A series; without a name it is not in the legend. color: as CSS writes it."""

    xs: Sequence[float]
    ys: Sequence[float]
    color: str
    name: str = ""
    faint: bool = False


class Dot(NamedTuple):
    """A point, with its name beside it and the bounds of its interval above and below, where it has them."""

    x: float
    y: float
    color: str
    name: str = ""
    bounds: tuple[float, float] | None = None


class Plot(NamedTuple):
    """From low to high in both directions, with the name of each. alt: what a reader learns who does not see the plot."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_name: str
    y_name: str
    lines: Sequence[Line]
    dots: Sequence[Dot]
    alt: str

    def across(self, x: float) -> float:
        """From the left edge, in per cent of the width."""
        return _place(x, self.x)

    def up(self, y: float) -> float:
        """From the lower edge, in per cent of the height."""
        return _place(y, self.y)

    def points(self, line: Line) -> str:
        """The line as SVG writes it: per cent, from the upper left corner."""
        return " ".join(f"{self.across(x):.1f},{100 - self.up(y):.1f}" for x, y in zip(line.xs, line.ys, strict=True))


def choose_ticks(limits: tuple[float, float]) -> list[float]:
    """About five round numbers (1, 2 or 5 times a power of ten apart) from low to high."""
    low, high = limits
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.7 * rough)
    return [step * i for i in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)]


def css(share: float) -> str:
    """Per cent as CSS writes them."""
    return f"{share:.2f}%"


def _place(value: float, limits: tuple[float, float]) -> float:
    return 100 * (value - limits[0]) / (limits[1] - limits[0])
