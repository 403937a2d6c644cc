"""The plots of a run: losses and validation scores over the steps of its training, its exits over their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from icnet.report.plot import Dot, Line, Plot
from icnet.report.run import Run
from icnet.report.values import is_number, is_pair
from icnet.visualize.curves import REACH, SCORES, Floats, finite_series, list_losses, smooth
from icnet.visualize.history import History
from icnet.visualize.style import BLUE, INK, SOFT, VERMILION

_MOST_POINTS = 800  # of a line: more than the screen has pixels for only make the page heavy
_ON_PAPER = {INK: "var(--ink)", SOFT: "var(--soft)"}  # what is drawn in the ink of the page turns pale in the dark


def plot_losses(history: History) -> Plot | None:
    """What was logged as pale lines, its running mean as strong ones, the validation as points."""
    lines: list[Line] = []
    tops: list[float] = []
    for column, name, color in list_losses(history):
        steps, values = finite_series(history, column)
        if len(steps):
            soft = smooth(values, round(REACH * len(values)))
            shown = _ON_PAPER.get(color, color)
            lines += [_thin(steps, values, shown, faint=True), _thin(steps, soft, shown, name)]
            tops.append(float(soft.max()))
    if not lines:
        return None
    steps, values = finite_series(history, "val/loss")
    dots = [Dot(x, y, VERMILION) for x, y in zip(steps, values.tolist(), strict=True)]
    top = 1.06 * max([*tops, *values.tolist()]) or 1.0
    low = [line._replace(ys=np.minimum(line.ys, top).tolist()) for line in lines]  # spikes end at the edge
    return Plot(_span(lines), (0, top), "step", "loss", low, dots, "Losses over the steps of the training")


def plot_scores(history: History) -> Plot | None:
    """mIoU and pixel accuracy of the validations, the best mIoU marked."""
    series = [(*finite_series(history, column), name, color) for column, name, color in SCORES]
    lines = [_thin(steps, 100 * values, color, name) for steps, values, name, color in series if steps]
    alt = "Validation scores over the steps of the training"
    return Plot(_span(lines), (0, 100), "step", "%", lines, list(_best(history)), alt) if lines else None


def plot_exits(run: Run) -> Plot | None:
    """mIoU against milliseconds; nothing where fewer than two exits are timed."""
    timed = [(name, exit) for name, exit in run.exits.items() if is_number(exit.get("image_ms"))]
    if len(timed) < 2:
        return None
    dots = [
        Dot(exit["image_ms"], 100 * exit["miou"], "var(--accent)", name, _bounds(exit.get("miou_interval")))
        for name, exit in timed
    ]
    line = Line([dot.x for dot in dots], [dot.y for dot in dots], "var(--line-strong)")
    edges = [edge for dot in dots for edge in (dot.y, *(dot.bounds or ()))]
    room = max(1.0, 0.15 * (max(edges) - min(edges)))
    heights = (max(0.0, min(edges) - room), max(edges) + room)
    alt = "mIoU against milliseconds: " + "; ".join(f"{d.name} {d.y:.1f} % at {d.x:.1f} ms" for d in dots)
    return Plot((0, 1.15 * max(line.xs)), heights, "ms per image", "mIoU, %", [line], dots, alt)


def _best(history: History) -> Iterator[Dot]:
    steps, values = finite_series(history, "val/miou")
    if len(steps):
        best = int(values.argmax())
        yield Dot(steps[best], 100 * float(values[best]), BLUE, f"best {100 * values[best]:.1f}")


def _thin(steps: Sequence[int], values: Floats, color: str, name: str = "", *, faint: bool = False) -> Line:
    every = max(1, len(steps) // _MOST_POINTS)
    return Line(steps[::every], values[::every].tolist(), color, name, faint)


def _span(lines: list[Line]) -> tuple[float, float]:
    """From the first step to the last."""
    last = max(line.xs[-1] for line in lines)
    return 0, max(1, last)


def _bounds(interval: object) -> tuple[float, float] | None:
    return (100 * interval[0], 100 * interval[1]) if is_pair(interval) else None
