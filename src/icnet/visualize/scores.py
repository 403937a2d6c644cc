"""Scores by class: bars of IoU and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from icnet.data.labels import ClassTable
from icnet.visualize.style import BLUES, FAINT, INK, SOFT, new_axes, save_figure

Floats = npt.NDArray[np.float64]
_MOST_NUMBERS = 20  # classes; the cells of larger matrices are too small to write in
_SMALLEST_NUMBER = 0.5  # per cent; below it a cell would say 0


def draw_class_iou(iou: Mapping[str, float | None], classes: ClassTable, path: Path) -> None:
    """Bars in the colours of the classes, best first; classes without a value (union empty) are said to be absent."""
    known = {name: 100 * value for name in classes.names if (value := iou.get(name)) is not None and value == value}
    absent = [name for name in classes.names if name not in known]
    names = [*sorted(known, key=known.__getitem__, reverse=True), *absent]
    figure, axes = new_axes(8.6, 1.3 + 0.29 * len(names), "IoU by class, %")
    color = dict(zip(classes.names, classes.colors, strict=True))
    for row, name in enumerate(names):
        _draw_bar(axes, row, known.get(name), tuple(c / 255 for c in color[name]))
    axes.set_yticks(range(len(names)), names, fontsize=9.5, color=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 106)
    axes.set_xticks([])
    if known:
        _draw_mean(axes, sum(known.values()) / len(known))
    save_figure(figure, path)


def draw_confusion(matrix: npt.ArrayLike, names: Sequence[str], path: Path) -> None:
    """`build_confusion` as a PNG."""
    save_figure(build_confusion(matrix, names), path)


def build_confusion(matrix: npt.ArrayLike, names: Sequence[str]) -> Figure:
    """A heat map of counts by (label, prediction), each row in per cent of the labelled pixels of its class."""
    counts = np.asarray(matrix, np.float64)
    share = share_of_labels(counts)
    side = min(14.0, 3.2 + 0.42 * len(names))
    figure, axes = new_axes(side + 0.7, side, "Where the pixels of each class went, %")
    # The square root: a confusion of 2 % is what one looks for, and would be white on a linear scale.
    image = axes.imshow(share, cmap=BLUES, norm=PowerNorm(0.5, vmin=0, vmax=100), interpolation="nearest")
    _name_cells(axes, names)
    _add_scale(figure, axes, image)
    if len(names) <= _MOST_NUMBERS:
        _write_numbers(axes, share)
    _say_unlabelled(axes, np.flatnonzero(counts.sum(axis=1) == 0), len(names))
    return figure


def share_of_labels(counts: Floats) -> Floats:
    """Counts by (label, prediction) in per cent of the labelled pixels of each class; NaN for a class without any."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(100 * counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def _draw_bar(axes: Axes, row: int, value: float | None, color: tuple[float, ...]) -> None:
    if value is None:
        axes.text(
            0.6, row, "absent: neither labelled nor predicted", va="center", fontsize=8.5, color=SOFT, style="italic"
        )
        return
    axes.barh(row, 100, height=0.66, color="#f3f5f7", zorder=1)
    axes.barh(row, value, height=0.66, color=color, edgecolor=(0, 0, 0, 0.35), linewidth=0.5, zorder=2)
    axes.text(105.5, row, f"{value:.1f}", va="center_baseline", ha="right", fontsize=9, color=INK)


def _draw_mean(axes: Axes, mean: float) -> None:
    axes.axvline(mean, color="white", linewidth=2.2, zorder=3)  # seen on dark bars too
    axes.axvline(mean, color=INK, linewidth=1.0, linestyle=(0, (3, 2)), zorder=3)
    axes.annotate(f"mean {mean:.1f}", (mean, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                  textcoords="offset points", ha="center", va="bottom", fontsize=9, color=INK)  # fmt: skip


def _name_cells(axes: Axes, names: Sequence[str]) -> None:
    size = min(9.0, max(3.0, 320 / len(names)))
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_xlabel("predicted", fontsize=9.5, color=SOFT, labelpad=8)
    axes.set_ylabel("labelled", fontsize=9.5, color=SOFT, labelpad=8)
    axes.tick_params(labelcolor=INK)
    if len(names) <= 2 * _MOST_NUMBERS:
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=FAINT, linewidth=0.6)
        axes.tick_params(which="minor", length=0)


def _add_scale(figure: Figure, axes: Axes, image: AxesImage) -> None:
    bar = figure.colorbar(image, ax=axes, ticks=[0, 1, 5, 20, 50, 100], shrink=0.6, aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=SOFT)


def _write_numbers(axes: Axes, share: Floats) -> None:
    for row, column in np.argwhere(share >= _SMALLEST_NUMBER):
        value = share[row, column]
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5,
                  color="white" if value > 30 else INK)  # fmt: skip


def _say_unlabelled(axes: Axes, rows: npt.NDArray[np.intp], columns: int) -> None:
    for row in rows:
        axes.axhspan(row - 0.5, row + 0.5, facecolor="#f3f5f7", zorder=2)
        axes.text((columns - 1) / 2, row, "no labelled pixel", ha="center", va="center", fontsize=7.5, color=SOFT,
                  style="italic", zorder=3)  # fmt: skip
