"""Frames with their labels over them: what a data set is understood to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from icnet.data.images import Pixels
from icnet.data.labels import ClassTable
from icnet.visualize.colors import overlay
from icnet.visualize.rows import build_legend, mark_ignored
from icnet.visualize.style import DPI, SOFT, save_figure

_COLUMNS, _CELL, _LINE = 2, 5.0, 0.28  # inches
_COLUMNS_OF_LEGEND = 6


class Labelled(NamedTuple):
    """A frame: image (H, W, 3), red first; label (H, W) of train ids."""

    image: Pixels
    label: Pixels
    name: str


def draw_labelled(frames: Sequence[Labelled], classes: ClassTable, path: Path) -> None:
    """A PNG of the frames, ignored pixels striped, with the classes below."""
    handles = build_legend([frame.label for frame in frames], classes)
    foot = _LINE * (-(-len(handles) // _COLUMNS_OF_LEGEND) + 1)
    rows = -(-len(frames) // _COLUMNS)
    tallest = max(frame.image.shape[0] / frame.image.shape[1] for frame in frames)
    height = rows * (_CELL * tallest + _LINE) + foot
    figure = Figure(figsize=(_COLUMNS * _CELL, height), dpi=DPI, facecolor="white")
    grid = figure.add_gridspec(
        rows, _COLUMNS, left=0.01, right=0.99, top=0.995, bottom=(foot + _LINE) / height, wspace=0.02, hspace=0.12
    )
    for number, frame in enumerate(frames):
        axes = figure.add_subplot(grid[number // _COLUMNS, number % _COLUMNS])
        axes.imshow(mark_ignored(overlay(frame.image, frame.label, classes), frame.label))
        axes.set_axis_off()
        axes.annotate(frame.name, (0, 0), xycoords="axes fraction", xytext=(0, -4), textcoords="offset points",
                      va="top", fontsize=8, color=SOFT)  # fmt: skip
    figure.legend(handles=handles, loc="lower center", ncols=_COLUMNS_OF_LEGEND, frameon=False, fontsize=9)
    save_figure(figure, path)
