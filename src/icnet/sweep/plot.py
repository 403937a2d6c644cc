"""mIoU over the swept settings: lines over one number, a map over two, bars where there are none or more."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from icnet.sweep.curve import SHARE, LearningCurve, fit_curves
from icnet.sweep.ledger import Job
from icnet.sweep.summary import SEED, choices_of, number_of, say_settings, swept_keys
from icnet.visualize.style import (
    BLUE,
    BLUES,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SOFT,
    VERMILION,
    new_axes,
    save_figure,
    say_empty,
)

Kind = Literal["lines", "map", "points", "seeds", "bars"]
_COLORS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, INK)
_MOST_CELLS = 2  # cells of a map per job: where most would be empty, points say more
_MOST_BARS = 40
_WIDE = 10  # largest by smallest value, from which an axis is logarithmic


def choose_plot(jobs: Sequence[Job]) -> Kind:
    """The plot that fits the swept settings; seeds are averaged over where anything else is swept."""
    keys = swept_keys(jobs)
    if keys == [SEED]:
        return "seeds"
    others = [key for key in keys if key != SEED]
    numeric = [key for key in others if _is_numeric(jobs, key)]
    if len(numeric) == 1 and len(_series(jobs, [key for key in others if key not in numeric])) <= len(_COLORS):
        return "lines"
    if len(numeric) == len(others) == 2:
        cells = len(_values(jobs, others[0])) * len(_values(jobs, others[1]))
        return "map" if cells <= _MOST_CELLS * len(jobs) else "points"
    return "bars"


def draw_sweep(jobs: Sequence[Job], path: Path) -> None:
    """Draw the plot that fits, as PNG."""
    draw = {"lines": _draw_lines, "map": _draw_map, "points": _draw_points, "seeds": _draw_seeds, "bars": _draw_bars}
    known = [job for job in jobs if job.miou is not None]
    if not known:
        figure, axes = new_axes(8.6, 2.4, "mIoU, %")
        say_empty(axes, "no job has a result yet")
    else:
        width, height = _size(jobs)
        figure, axes = new_axes(width, height, "Validation mIoU, %")
        draw[choose_plot(jobs)](axes, jobs)
    save_figure(figure, path)


def _size(jobs: Sequence[Job]) -> tuple[float, float]:
    """Of the figure, in inches."""
    bars = len(_series(jobs, [key for key in swept_keys(jobs) if key != SEED]))
    return 8.6, 1.2 + 0.34 * min(bars, _MOST_BARS) if choose_plot(jobs) == "bars" else 4.6


def _draw_lines(axes: Axes, jobs: Sequence[Job]) -> None:
    keys = [key for key in swept_keys(jobs) if key != SEED]
    over = next(key for key in keys if _is_numeric(jobs, key))
    others = [key for key in keys if key != over]
    for color, (label, members) in zip(_COLORS, _series(jobs, others).items(), strict=False):
        points = _averaged(members, [over])
        xs = sorted(points)
        means = [statistics.mean(points[x]) for x in xs]
        spread = [statistics.stdev(points[x]) if len(points[x]) > 1 else 0.0 for x in xs]
        curves = fit_curves(members)
        axes.errorbar([x[0] for x in xs], means, yerr=spread if any(spread) else None, color=color, marker="o",
                      linestyle="none" if curves else "-", linewidth=1.8, markersize=5, capsize=3, label=label)  # fmt: skip
        for curve in curves:
            _draw_curve(axes, curve, means, color)
    ticks = _values(jobs, over)
    if over == SHARE:
        ticks.append(2 * ticks[-1])
    _space(axes, "x", ticks)
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    axes.set_xlabel(over, fontsize=9, color=SOFT, loc="right")
    _style(axes, legend=bool(others))


def _draw_curve(axes: Axes, curve: LearningCurve, means: Sequence[float], color: str) -> None:
    """From the smallest share of the frames to twice the largest, with its interval as a band."""
    shares = np.geomspace(curve.smallest, 2 * curve.largest, 100)
    axes.plot(shares, 100 * curve.at(shares), color=color, linewidth=1.6, linestyle="--")
    if (band := curve.band(shares)) is not None:
        height = max(means) - min(means)  # few scores have a band that would leave them no room
        low, high = (np.clip(100 * bound, min(means) - height, max(means) + height) for bound in band)
        axes.fill_between(shares, low, high, color=color, alpha=0.12, linewidth=0)


def _draw_map(axes: Axes, jobs: Sequence[Job]) -> None:
    across, down = (key for key in swept_keys(jobs) if key != SEED)
    xs, ys = _values(jobs, across), _values(jobs, down)
    cells = np.full((len(ys), len(xs)), np.nan)
    for (x, y), values in _averaged(jobs, [across, down]).items():
        cells[ys.index(y), xs.index(x)] = statistics.mean(values)
    low, high = float(np.nanmin(cells)), float(np.nanmax(cells))
    axes.imshow(cells, cmap=BLUES, vmin=low - 0.3 * (high - low) - 1e-9, vmax=high, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(cells):
        shown = f"{value:.2f}" if np.isfinite(value) else "no result"
        bright = np.isfinite(value) and value > low + 0.4 * (high - low)
        weight = "bold" if value == high else "normal"
        axes.text(column, row, shown, ha="center", va="center", fontsize=10, color="white" if bright else INK,
                  fontweight=weight)  # fmt: skip
    axes.set_xticks(range(len(xs)), [f"{x:g}" for x in xs])
    axes.set_yticks(range(len(ys)), [f"{y:g}" for y in ys])
    axes.set_xticks(np.arange(len(xs) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(ys) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)
    _name_axes(axes, across, down)


def _draw_points(axes: Axes, jobs: Sequence[Job]) -> None:
    across, down = (key for key in swept_keys(jobs) if key != SEED)
    points = {at: statistics.mean(values) for at, values in _averaged(jobs, [across, down]).items()}
    best = max(points, key=points.__getitem__)
    dots = axes.scatter([x for x, _ in points], [y for _, y in points], c=list(points.values()), cmap=BLUES, s=90,
                        edgecolors=SOFT, linewidths=0.8)  # fmt: skip
    axes.scatter(best[0], best[1], s=220, facecolors="none", edgecolors=VERMILION, linewidths=1.6)
    for at, value in points.items():
        axes.annotate(
            f"{value:.1f}",
            (at[0], at[1]),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    assert axes.figure is not None
    bar = axes.figure.colorbar(dots, ax=axes, shrink=0.7, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=SOFT)
    _space(axes, "x", _values(jobs, across))
    _space(axes, "y", _values(jobs, down))
    axes.margins(0.1)
    axes.grid(color=FAINT, linewidth=0.8)
    _name_axes(axes, across, down)


def _draw_seeds(axes: Axes, jobs: Sequence[Job]) -> None:
    """A point per seed, their mean as a line, one standard deviation to either side as a band."""
    known = [job for job in jobs if job.miou is not None]
    values = [100 * (job.miou or 0.0) for job in known]
    mean = statistics.mean(values)
    label = f"mean {mean:.1f}"
    if len(values) > 1:
        std = statistics.stdev(values)
        axes.axhspan(mean - std, mean + std, color=BLUE, alpha=0.12, linewidth=0)
        label += f" ± {std:.1f}"
    axes.axhline(mean, color=BLUE, linewidth=1.6, label=label)
    axes.plot(range(len(known)), values, "o", color=INK, markersize=7)
    axes.set_xticks(range(len(known)), [choices_of(job, [SEED])[SEED] for job in known])
    axes.set_xlabel(SEED, fontsize=9, color=SOFT, loc="right")
    axes.margins(x=0.1)
    _style(axes, legend=True)


def _draw_bars(axes: Axes, jobs: Sequence[Job]) -> None:
    """The best settings, best first; where seeds were swept their mean, and a dot for each."""
    series = _series([job for job in jobs if job.miou is not None], [key for key in swept_keys(jobs) if key != SEED])
    scores = {name: [100 * (job.miou or 0.0) for job in members] for name, members in series.items()}
    names = sorted(scores, key=lambda name: -statistics.mean(scores[name]))[:_MOST_BARS]
    means = [statistics.mean(scores[name]) for name in names]
    axes.barh(range(len(names)), means, height=0.66, color=BLUE)
    for row, name in enumerate(names):
        axes.text(max(scores[name]), row, f"  {means[row]:.1f}", va="center", fontsize=9, color=INK)
        if len(scores[name]) > 1:
            axes.plot(scores[name], [row] * len(scores[name]), "o", color=INK, markeredgecolor="white", markersize=6)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, max(means) * 1.1 or 1.0)
    axes.set_xticks([])


def _is_numeric(jobs: Sequence[Job], key: str) -> bool:
    return all(number_of(choices_of(job, [key])[key]) is not None for job in jobs)


def _values(jobs: Sequence[Job], key: str) -> list[float]:
    """The numbers that a setting takes, in order."""
    return sorted({number_of(choices_of(job, [key])[key]) or 0.0 for job in jobs})


def _series(jobs: Sequence[Job], keys: Sequence[str]) -> dict[str, list[Job]]:
    """The jobs by their choices for `keys`, in words."""
    series: dict[str, list[Job]] = {}
    for job in jobs:
        label = say_settings(choices_of(job, keys), ", ")
        series.setdefault(label, []).append(job)
    return series


def _averaged(jobs: Sequence[Job], keys: Sequence[str]) -> dict[tuple[float, ...], list[float]]:
    """mIoU in per cent by the numbers of `keys`, of all seeds."""
    points: dict[tuple[float, ...], list[float]] = {}
    for job in jobs:
        if job.miou is not None:
            at = tuple(number_of(value) or 0.0 for value in choices_of(job, keys).values())
            points.setdefault(at, []).append(100 * job.miou)
    return points


def _space(axes: Axes, direction: Literal["x", "y"], values: Sequence[float]) -> None:
    """Logarithmic where the values span more than a power of ten."""
    if min(values) > 0 and max(values) > _WIDE * min(values):
        axes.set(**{f"{direction}scale": "log"})
        axis = axes.xaxis if direction == "x" else axes.yaxis
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
        axes.tick_params(which="both", length=0)


def _name_axes(axes: Axes, across: str, down: str) -> None:
    axes.set_xlabel(across, fontsize=9.5, color=SOFT)
    axes.set_ylabel(down, fontsize=9.5, color=SOFT)


def _style(axes: Axes, *, legend: bool) -> None:
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(FAINT)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    if legend:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=9, labelcolor=INK)
