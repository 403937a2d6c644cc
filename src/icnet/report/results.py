"""results.json: the scores of a run and the protocol that makes them comparable."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from icnet import __version__
from icnet.files import writing


def write_results(
    folder: Path, task: str, name: str, metrics: Mapping[str, Any], protocol: Mapping[str, Any], seconds: float
) -> None:
    """Write folder/results.json, whole or not at all."""
    content = {"task": task, "name": name, "metrics": metrics, "protocol": protocol, "seconds": round(seconds, 1)}
    with writing(folder / "results.json") as part:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Device, threads and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else name_processor()
    packages = ("torch", "pytorch-lightning", "numpy", "opencv-python-headless", "albumentations")
    return {
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
        "versions": {"icnet": __version__, "python": platform.python_version(), **{p: version(p) for p in packages}},
    }


def name_processor() -> str:
    """As Linux calls it; elsewhere what Python knows of it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8", errors="replace").splitlines() if about.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def print_classes(metrics: Mapping[str, Any], title: str) -> None:
    """The table at the end: IoU per class, then the means."""
    table = Table(title=title)
    table.add_column("class")
    table.add_column("IoU %", justify="right")
    for name, iou in metrics["iou"].items():
        table.add_row(name, _percent(iou))
    table.add_section()
    for key, label in (("miou", "mean IoU"), ("pixel_accuracy", "pixel accuracy"), ("mean_accuracy", "mean accuracy")):
        table.add_row(label, _percent(metrics[key]), style="bold" if key == "miou" else None)
    Console().print(table)


def _percent(value: float | None) -> str:
    return "absent" if value is None else f"{100 * value:.2f}"
