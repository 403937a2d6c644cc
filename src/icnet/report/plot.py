"""A plot of points and lines as part of a page: it follows the page's width and colours, and its words keep their size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from icnet.report.markup import Html, join, tag, text

_TICKS = 5
_CANVAS = 1000  # units of the drawing in either direction; it is stretched to the plot


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


class Frame(NamedTuple):
    """What a plot shows: from low to high in both directions, and the name of each direction."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_name: str
    y_name: str

    def across(self, x: float) -> float:
        return _place(x, self.x)

    def up(self, y: float) -> float:
        return _place(y, self.y)


def plot(frame: Frame, lines: Sequence[Line], dots: Sequence[Dot], alt: str) -> Html:
    """alt: what a reader learns who does not see the plot."""
    named = [line for line in lines if line.name]
    legend = tag("ul", join(_legend(line) for line in named), class_="legend") if named else ""
    paths = "".join(_path(line, frame) for line in lines)
    drawing = f'<svg viewBox="0 0 {_CANVAS} {_CANVAS}" preserveAspectRatio="none" aria-hidden="true">{paths}</svg>'
    parts = join([*_y_ticks(frame), *_x_ticks(frame), drawing, *(_dot(dot, frame) for dot in dots)])
    names = tag("span", text(frame.y_name), class_="y-name") + tag("span", text(frame.x_name), class_="x-name")
    area = tag("div", parts, class_="area")
    return tag("div", legend + tag("div", area + names, class_="plot", role="img", aria_label=alt))


def choose_ticks(low: float, high: float) -> list[float]:
    """About five round numbers (1, 2 or 5 times a power of ten apart) from low to high."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.7 * rough)
    return [step * i for i in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)]


def _place(value: float, limits: tuple[float, float]) -> float:
    return (value - limits[0]) / (limits[1] - limits[0])


def _path(line: Line, frame: Frame) -> str:
    points = " ".join(
        f"{_CANVAS * frame.across(x):.0f},{_CANVAS * (1 - frame.up(y)):.0f}"
        for x, y in zip(line.xs, line.ys, strict=True)
    )
    kind = ' class="faint"' if line.faint else ""
    return f'<polyline points="{points}" stroke="{text(line.color)}"{kind}></polyline>'


def _legend(line: Line) -> Html:
    return tag("li", tag("i", "", class_="dash", style=f"background:{line.color}") + text(line.name))


def _y_ticks(frame: Frame) -> Iterator[Html]:
    for value in choose_ticks(*frame.y):
        yield tag("span", text(f"{value:,g}"), class_="y", style=f"bottom:{_css(frame.up(value))}")


def _x_ticks(frame: Frame) -> Iterator[Html]:
    for value in choose_ticks(*frame.x):
        yield tag("span", text(f"{value:,.6g}"), class_="x", style=f"left:{_css(frame.across(value))}")


def _dot(dot: Dot, frame: Frame) -> Html:
    left = f"left:{_css(frame.across(dot.x))}"
    parts: str = tag("i", "", class_="dot", style=f"{left};bottom:{_css(frame.up(dot.y))};background:{dot.color}")
    if dot.bounds is not None:
        low, high = (frame.up(bound) for bound in dot.bounds)
        parts = tag("i", "", class_="bounds", style=f"{left};bottom:{_css(low)};height:{_css(high - low)}") + parts
    if dot.name:
        side = "name late" if frame.across(dot.x) > 0.35 else "name"
        parts += tag("span", text(dot.name), class_=side, style=f"{left};bottom:{_css(frame.up(dot.y))}")
    return Html(parts)


def _css(share: float) -> str:
    return f"{100 * share:.2f}%"
