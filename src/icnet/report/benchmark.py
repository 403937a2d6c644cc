"""report.html of a benchmark: what results.json says, in plots and tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from icnet.report.plot import Dot, Line, Plot
from icnet.report.render import render, write_html
from icnet.report.run import Run, read_run
from icnet.visualize.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

# What runs a network, by its key in results.json
ENGINES = {
    "eager": "PyTorch",
    "channels_last": "PyTorch, channels last",
    "compiled": "PyTorch, compiled",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch_export": "torch.export",
}
_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
_FLOOR = "var(--line-strong)"


def write_benchmark(folder: Path) -> Path:
    """Write folder/report.html from folder/results.json."""
    run = read_run(folder)
    what = run.protocol["what"]
    page = render(f"benchmark/{what}.html", run=run, plot=_PLOTS[what](run), engines=ENGINES)
    return write_html(folder / "report.html", page)


def plot_speed(run: Run) -> Plot:
    """The work of the exits over the time that each engine takes for it; the floor is a line from nothing."""
    rows = run.metrics["rows"]
    first = [row for row in rows if all(row[key] == rows[0][key] for key in ("size", "batch"))]
    several = len({row["checkpoint"] for row in first}) > 1
    series: dict[str, list[Mapping[str, Any]]] = {}
    for row in first:
        place = f"{Path(row['checkpoint']).name}: " if several else ""
        series.setdefault(f"{place}{ENGINES[row['engine']]}, {row['precision']}", []).append(row)
    colors = cycle(_COLORS)
    lines = [Line(*_work(part), next(colors), name) for name, part in series.items()]
    dots = [Dot(x, y, line.color) for line in lines for x, y in zip(line.xs, line.ys, strict=True)]
    top = 1.15 * max(row["macs"] for row in first) / 1e9
    if rate := run.metrics["floor"].get("fp32"):
        lines.append(Line((0, 1e12 * top / rate), (0, top), _FLOOR, "floor, fp32"))
    alt = (
        "Work of each exit over the time that engines take for it, beside the time of a matrix product of the same work"
    )
    return Plot((0, 1.1 * max(r["median_ms"] for r in first)), (0, top), "ms", "GMACs", lines, dots, alt)


def _work(rows: list[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    return [row["median_ms"] / row["batch"] for row in rows], [row["macs"] / 1e9 for row in rows]


def plot_frontier(run: Run) -> Plot:
    """mIoU over the time of a frame: every candidate, those that no other one beats joined, the budget as a wall."""
    rows, budget = run.metrics["rows"], run.protocol["budget_ms"]
    best, front = run.metrics["best"], [row for row in rows if row["on_frontier"]]
    scores = [100 * row["miou"] for row in rows]
    room = max(1.0, 0.15 * (max(scores) - min(scores)))
    heights = (max(0.0, min(scores) - room), min(100.0, max(scores) + room))
    dots = [Dot(row["median_ms"], 100 * row["miou"], _FLOOR) for row in rows if row not in front]
    dots += [Dot(r["median_ms"], 100 * r["miou"], BLUE, "best within the budget" if r == best else "") for r in front]
    slowest = max(row["median_ms"] for row in rows)
    lines = [Line([row["median_ms"] for row in front], [100 * row["miou"] for row in front], BLUE, "frontier")]
    if budget < 2 * slowest:  # a wall far away would press all points together
        lines.append(Line((budget, budget), heights, VERMILION, f"budget, {budget:g} ms"))
        slowest = max(slowest, budget)
    alt = "mIoU over milliseconds: " + "; ".join(f"{dot.y:.1f} % at {dot.x:.1f} ms" for dot in dots)
    return Plot((0, 1.1 * slowest), heights, "ms per frame", "mIoU, %", lines, dots, alt)


def plot_training(run: Run) -> Plot:
    """Images a second over the number of devices, beside what they would be if each added as much as the first."""
    rows = run.metrics["rows"]
    counts, rates = [row["devices"] for row in rows], [row["images_per_s"] for row in rows]
    ideal = [rates[0] * count / counts[0] for count in counts]
    lines = [Line(counts, ideal, _FLOOR, "each as much as the first"), Line(counts, rates, BLUE, "measured")]
    dots = [Dot(x, y, BLUE, f"{y:.3g}") for x, y in zip(counts, rates, strict=True)]
    alt = "Images a second: " + "; ".join(f"{dot.y:.3g} on {dot.x} devices" for dot in dots)
    return Plot((0, 1.1 * max(counts)), (0, 1.15 * max(*ideal, *rates)), "devices", "images/s", lines, dots, alt)


_PLOTS = {"speed": plot_speed, "frontier": plot_frontier, "training": plot_training}
