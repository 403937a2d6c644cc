"""report.html of a compression: what is left of mIoU, size and time at each share, and which layers bear a cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from icnet.report.plot import Dot, Line, Plot
from icnet.report.render import render, write_html
from icnet.report.run import read_run
from icnet.visualize.style import BLUE, ORANGE


def write_compression(folder: Path) -> Path:
    """Write folder/report.html from folder/results.json."""
    run = read_run(folder)
    steps = [run.metrics["full"], *run.metrics["rounds"]]
    return write_html(folder / "report.html", render("compress.html", run=run, steps=steps, plot=plot_shares(steps)))


def plot_shares(steps: Sequence[Mapping[str, Any]]) -> Plot:
    """mIoU over the share of the filters that is kept, before and after fine-tuning. steps: the whole network first."""
    shares = [100 * step["keep"] for step in steps]
    tuned = [100 * step["miou"] for step in steps]
    bare = [100 * step.get("miou_cut", step["miou"]) for step in steps]
    lines = [Line(shares, tuned, BLUE, "fine-tuned"), Line(shares, bare, ORANGE, "only cut")]
    dots = [Dot(x, y, ORANGE) for x, y in zip(shares[1:], bare[1:], strict=True)]
    dots += [Dot(x, y, BLUE, f"{y:.1f}") for x, y in zip(shares, tuned, strict=True)]
    alt = "mIoU over the share of filters kept: " + "; ".join(
        f"{after:.1f} % at {share:g} %, {before:.1f} % before fine-tuning"
        for share, after, before in zip(shares, tuned, bare, strict=True)
    )
    low = max(0.0, min(shares) - 10)
    return Plot((low, 105), (0, 1.15 * max(*tuned, *bare, 1)), "filters kept, %", "mIoU, %", lines, dots, alt)
