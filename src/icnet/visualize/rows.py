"""Examples side by side: image, label, prediction, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE, ClassTable
from icnet.visualize.colors import colorize
from icnet.visualize.style import DPI, INK, SOFT, save_figure

_COLUMNS = ("Image", "Label", "Prediction", "Error")
_WIDTH, _MARGIN, _GAP = 13.6, 0.16, 0.1  # inches, as all sizes here
_HEAD, _NAME = 0.36, 0.26  # above the first row, below each
_LEGEND_LINE, _LEGEND_COLUMNS = 0.2, 8
_MOST_CLASSES = 4 * _LEGEND_COLUMNS  # more than these: the legend has only what is to be seen
_TALLEST = 1.2  # height of a picture in its widths, for images taken upright
_STRIPE = (58, 58, 64)
_WRONG, _RIGHT = (214, 39, 40), (236, 238, 241)


class Row(NamedTuple):
    """One example: image (H, W, 3), red first; label and prediction (H, W) of train ids."""

    image: Pixels
    label: Pixels
    prediction: Pixels
    name: str

    def shrink(self, longest: int) -> Row:
        """At most so many rows and columns; label maps are sampled, never blended."""
        height, width = self.label.shape
        scale = min(1.0, longest / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))

        def resized(pixels: Pixels, how: int) -> Pixels:
            return cv2.resize(pixels, size, interpolation=how)  # type: ignore[return-value]

        label, prediction = (resized(part, cv2.INTER_NEAREST) for part in (self.label, self.prediction))
        return Row(resized(self.image, cv2.INTER_AREA), label, prediction, self.name)


def draw_rows(rows: Sequence[Row], classes: ClassTable, path: Path, *, errors: bool = False) -> None:
    """`build_rows` as a PNG."""
    save_figure(build_rows(rows, classes, errors=errors), path)


def build_rows(rows: Sequence[Row], classes: ClassTable, *, errors: bool = False) -> Figure:
    """One row for each example, ignored pixels of the label striped in black, and the classes as a legend below.

    errors: a fourth column shows wrong pixels in red.
    """
    if not rows:
        raise ValueError("there is no row to draw")
    handles = _legend(rows, classes) + ([Patch(facecolor=_color(_WRONG), label="wrong")] if errors else [])
    columns = len(_COLUMNS) if errors else len(_COLUMNS) - 1
    cell = (_WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) / columns
    heights = [cell * min(_TALLEST, row.image.shape[0] / row.image.shape[1]) for row in rows]
    foot = _MARGIN + _LEGEND_LINE * -(-len(handles) // _LEGEND_COLUMNS)
    total = _HEAD + sum(heights) + _NAME * len(rows) + foot
    figure = Figure(figsize=(_WIDTH, total), dpi=DPI, facecolor="white")
    top = total - _HEAD
    for row, height in zip(rows, heights, strict=True):
        _draw_row(_cells(figure, top - height, cell, height, columns), row, classes, titled=top == total - _HEAD)
        top -= height + _NAME
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.5 * _MARGIN / total), ncols=_LEGEND_COLUMNS,
        frameon=False, fontsize=9, labelcolor=INK, handlelength=1.1, handleheight=1.1, handletextpad=0.5,
        columnspacing=1.6, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    return figure


def mark_ignored(colored: Pixels, label: Pixels) -> Pixels:
    """Stripe the ignored pixels of a coloured label map: black alone could be taken for a class."""
    height, width = label.shape
    period = max(2, width // 80)
    diagonal = np.arange(height)[:, None] + np.arange(width)
    striped = (label == IGNORE) & (diagonal // period % 3 == 0)
    return np.where(striped[..., None], np.array(_STRIPE, np.uint8), colored)


def mark_errors(row: Row) -> Pixels:
    """Wrong pixels in red, right ones in grey, ignored ones striped."""
    shown = np.where((row.prediction != row.label)[..., None], np.array(_WRONG, np.uint8), np.array(_RIGHT, np.uint8))
    shown[row.label == IGNORE] = 0
    return mark_ignored(shown, row.label)


def _cells(figure: Figure, bottom: float, width: float, height: float, columns: int) -> Iterator[Axes]:
    """Axes that fill the columns, `bottom` inches above the foot of the figure."""
    across, up = figure.get_figwidth(), figure.get_figheight()
    for column in range(columns):
        left = _MARGIN + column * (width + _GAP)
        yield figure.add_axes((left / across, bottom / up, width / across, height / up))


def _draw_row(cells: Iterator[Axes], row: Row, classes: ClassTable, *, titled: bool) -> None:
    label = mark_ignored(colorize(row.label, classes), row.label)
    pictures = (row.image, label, colorize(row.prediction, classes), mark_errors(row))
    for axes, title, pixels in zip(cells, _COLUMNS, pictures, strict=False):
        axes.imshow(pixels)
        axes.set_axis_off()
        axes.set_anchor("W")
        if titled:
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=6)
        if title == _COLUMNS[0]:
            axes.annotate(row.name, (0, 0), xycoords="axes fraction", xytext=(0, -4), textcoords="offset points",
                          va="top", fontsize=8, color=SOFT)  # fmt: skip


def _legend(rows: Sequence[Row], classes: ClassTable) -> list[Patch]:
    seen = np.unique(np.concatenate([np.unique(part) for row in rows for part in (row.label, row.prediction)]))
    shown = range(len(classes)) if len(classes) <= _MOST_CLASSES else seen[seen < len(classes)].tolist()
    edge = (0.0, 0.0, 0.0, 0.35)
    patches = [
        Patch(facecolor=_color(classes.colors[i]), edgecolor=edge, linewidth=0.5, label=classes.names[i]) for i in shown
    ]
    if IGNORE in seen:
        patches.append(Patch(facecolor="black", edgecolor=_color(_STRIPE), hatch="////", linewidth=0, label="ignored"))
    return patches


def _color(values: Sequence[int]) -> tuple[float, float, float]:
    red, green, blue = values
    return red / 255, green / 255, blue / 255
