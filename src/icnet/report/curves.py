"""The course of a training: losses and validation scores over its steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from icnet.report.markup import EMPTY, Html, paragraph, tag
from icnet.report.plot import Dot, Frame, Line, plot
from icnet.report.run import Run
from icnet.visualize.curves import REACH, finite_series, list_losses, smooth
from icnet.visualize.history import History
from icnet.visualize.style import BLUE, INK, PURPLE, VERMILION

_MOST_POINTS = 800  # of a line: more than the screen has pixels for only make the page heavy


def curves(run: Run) -> Html:
    """Both plots; nothing where nothing was trained."""
    if run.history is None:
        return EMPTY
    both = _losses(run.history) + _scores(run.history)
    return tag("div", both, class_="pair") if both else EMPTY


def _losses(history: History) -> Html:
    lines: list[Line] = []
    tops: list[float] = []
    for column, name, color in list_losses(history):
        steps, values = finite_series(history, column)
        if len(steps):
            soft = smooth(values, round(REACH * len(values)))
            shown = "var(--ink)" if color == INK else color
            lines += [
                _thin(Line(steps, values.tolist(), shown, faint=True)),
                _thin(Line(steps, soft.tolist(), shown, name)),
            ]
            tops.append(float(soft.max()))
    if not lines:
        return EMPTY
    steps, values = finite_series(history, "val/loss")
    dots = [Dot(x, y, VERMILION) for x, y in zip(steps, values, strict=True)]
    top = 1.06 * max([*tops, *values.tolist()]) or 1.0
    words = (
        "Each stage of the cascade has a loss of its own; the network learns from their weighted sum. Pale lines are what "
        "was logged, strong ones its running mean" + (", points the validation." if dots else ".")
    )
    low = [Line(line.xs, np.minimum(line.ys, top).tolist(), *line[2:]) for line in lines]  # spikes end at the edge
    drawn = plot(Frame(_span(lines), (0, top), "step", "loss"), low, dots, "Losses over the steps of the training")
    return tag("div", tag("h3", "Loss of each stage") + drawn + paragraph(words, class_="quiet"))


def _scores(history: History) -> Html:
    lines: list[Line] = []
    for column, name, color in (("val/pixel_accuracy", "pixel accuracy", PURPLE), ("val/miou", "mIoU", BLUE)):
        steps, values = finite_series(history, column)
        if len(steps):
            lines.append(_thin(Line(steps, (100 * values).tolist(), color, name)))
    if not lines:
        return EMPTY
    dots = list(_best(history))
    drawn = plot(
        Frame(_span(lines), (0, 100), "step", "%"), lines, dots, "Validation scores over the steps of the training"
    )
    words = "Mean IoU and the share of right pixels on the validation images in the course of the training."
    return tag("div", tag("h3", "Scores on the validation images") + drawn + paragraph(words, class_="quiet"))


def _best(history: History) -> Iterator[Dot]:
    steps, values = finite_series(history, "val/miou")
    if len(steps):
        best = int(values.argmax())
        yield Dot(steps[best], 100 * float(values[best]), BLUE, f"best {100 * values[best]:.1f}")


def _thin(line: Line) -> Line:
    every = max(1, len(line.xs) // _MOST_POINTS)
    return line._replace(xs=line.xs[::every], ys=line.ys[::every])


def _span(lines: list[Line]) -> tuple[float, float]:
    """From the first step to the last."""
    last = max(line.xs[-1] for line in lines)
    return 0, max(1, last)
