"""The look that all plots share: colours, axes, sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from icnet.data.images import Pixels

INK, SOFT, FAINT = "#1f2933", "#616e7c", "#e4e7eb"
# Okabe and Ito, "Color Universal Design" (2008): told apart with every kind of colour blindness.
ORANGE, GREEN, BLUE, VERMILION, PURPLE, SKY = "#e69f00", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#56b4e9"
BLUES = LinearSegmentedColormap.from_list("icnet", ["#ffffff", "#b9dbee", "#4a9fd0", "#0072b2", "#003a5c"])
DPI = 160


def new_axes(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """A white figure of (width, height) inches with one pair of axes and its title at the left."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=12)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=9, labelcolor=SOFT, pad=6)
    axes.set_axisbelow(True)
    return figure, axes


def style_curves(axes: Axes, columns: int) -> None:
    """Steps along the foot, pale lines to read heights by, and the legend on the line of the title."""
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(FAINT)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.set_xlabel("step", fontsize=9, color=SOFT, loc="right")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns, frameon=False, fontsize=9,
            labelcolor=INK, borderaxespad=0.3, borderpad=0.2, handlelength=1.4, handletextpad=0.5, columnspacing=1.4,
        )  # fmt: skip


def say_empty(axes: Axes, what: str) -> None:
    """Fill axes that have nothing to show with the reason."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", va="center", fontsize=11, color=SOFT)


def render_figure(figure: Figure, dpi: int = DPI // 2) -> Pixels:
    """The figure as pixels (H, W, 3), red first, at half the size of the PNGs unless told otherwise."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()  # type: ignore[no-untyped-call]


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, cut to what is drawn, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.12)
