"""Curves of a training run over its steps: the losses, the validation scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from icnet.visualize.history import History
from icnet.visualize.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    new_axes,
    save_figure,
    say_empty,
    style_curves,
)

Floats = npt.NDArray[np.float64]
REACH = 1 / 60  # of the run: how far the smoothed line looks to either side


# A column of metrics.csv, what a legend calls it, and its colour
Series = tuple[str, str, str]
_STAGES: Sequence[Series] = (
    ("train/loss", "weighted sum", INK),
    ("train/loss_sub4", "sub4 (1/16)", ORANGE),
    ("train/loss_sub24", "sub24 (1/8)", GREEN),
    ("train/loss_sub124", "sub124 (1/4)", BLUE),
)
SCORES: Sequence[Series] = (("val/pixel_accuracy", "pixel accuracy", PURPLE), ("val/miou", "mIoU", BLUE))
_FURTHER = (PURPLE, SKY, SOFT)  # in turn; vermilion is the validation


def list_losses(history: History) -> list[Series]:
    """The weighted sum and the stages of the cascade, then the other terms that the objective logged."""
    known = [column for column, *_ in _STAGES]
    others = [column for column in history.columns if column.startswith("train/loss_") and column not in known]
    named = zip(others, cycle(_FURTHER), strict=False)
    return [*_STAGES, *((column, column.removeprefix("train/loss_"), color) for column, color in named)]


def draw_losses(history: History, path: Path) -> None:
    """The training loss and that of each term, raw and smoothed, with the validation loss as points."""
    figure, axes = new_axes(8.6, 4.4, "Losses")
    tops = [_draw_loss(axes, history, *loss) for loss in list_losses(history)]
    steps, values = finite_series(history, "val/loss")
    if len(steps):
        axes.plot(steps, values, "o", color=VERMILION, markersize=4.5, markeredgecolor="white", markeredgewidth=0.6,
                  label="validation", zorder=4)  # fmt: skip
        tops.append(float(values.max()))
    if max(tops) > 0:
        axes.set_ylim(0, 1.06 * max(tops))  # by the smoothed lines: single spikes of the raw values may leave the plot
        style_curves(axes, columns=5)
    else:
        say_empty(axes, "no loss has been logged")
    save_figure(figure, path)


def draw_miou(history: History, path: Path) -> None:
    """Validation mIoU and pixel accuracy in per cent, the best mIoU marked."""
    figure, axes = new_axes(8.6, 4.0, "Scores on the validation images, %")
    for name, label, color in SCORES:
        steps, values = finite_series(history, name)
        if len(steps):
            axes.plot(steps, 100 * values, "o-", color=color, linewidth=1.8, markersize=3, label=label)
    if axes.lines:
        axes.set_ylim(0, 100)
        _mark_best(axes, *finite_series(history, "val/miou"))
        style_curves(axes, columns=2)
    else:
        say_empty(axes, "no validation yet")
    save_figure(figure, path)


def _draw_loss(axes: Axes, history: History, name: str, label: str, color: str) -> float:
    """The height that the loss needs."""
    steps, values = finite_series(history, name)
    if not len(steps):
        return 0.0
    smoothed = smooth(values, round(REACH * len(values)))
    axes.plot(steps, values, color=color, linewidth=0.7, alpha=0.22)
    marker = "o" if len(values) == 1 else ""  # one point makes no line
    axes.plot(steps, smoothed, color=color, linewidth=1.9, label=label, marker=marker, solid_capstyle="round")
    return float(smoothed.max())


def _mark_best(axes: Axes, steps: Sequence[int], values: Floats) -> None:
    if not len(steps):
        return
    best = int(values.argmax())
    at = (steps[best], 100 * float(values[best]))
    axes.plot(*at, "o", markersize=10, markerfacecolor="none", markeredgecolor=BLUE, markeredgewidth=1.6, clip_on=False)
    late = steps[best] > (steps[0] + steps[-1]) / 2
    shift = (4 if late else -4, -16 if at[1] > 15 else 16)  # above low points: below are the steps
    axes.annotate(
        f"best {at[1]:.1f} at step {at[0]:,}", at, xytext=shift, textcoords="offset points",
        ha="right" if late else "left", va="center", fontsize=9, color=BLUE, fontweight="bold",
    )  # fmt: skip


def finite_series(history: History, name: str) -> tuple[list[int], Floats]:
    """A series without the values of a run that diverged: infinity has no place in a plot."""
    steps, values = history.series(name)
    kept = [(step, value) for step, value in zip(steps, values, strict=True) if np.isfinite(value)]
    return [step for step, _ in kept], np.array([value for _, value in kept], np.float64)


def smooth(values: Floats, reach: int) -> Floats:
    """The mean of each value and up to `reach` neighbours on either side."""
    sums = np.concatenate([[0.0], values.cumsum()])
    place = np.arange(len(values))
    first, last = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first), np.float64)
