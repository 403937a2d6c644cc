"""task=benchmark task.what=training: images a second of the training step on 1, 2, 4, ... devices."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table

from icnet.arguments import quote
from icnet.deploy.memory import own_environment, read_peak
from icnet.errors import ConfigError, ICNetError
from icnet.model.work import count_parameters
from icnet.report.benchmark import write_benchmark
from icnet.report.results import describe_machine, write_results
from icnet.sweep.command import build_environment
from icnet.sweep.process import last_line
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.network import build_network
from icnet.tasks.setup.teacher import find_label_maps, read_teacher
from icnet.tasks.setup.trainer import build_stepper, fit, start
from icnet.tasks.train import build_module
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.speed import StepClock

log = logging.getLogger(__name__)
_WARM_UP = 5  # steps that are not counted: the first ones choose algorithms and fill caches
_AS_TRAIN = {"weights": None, "architecture": "config", "resume": None}  # what task=train says of itself


def benchmark_training(cfg: DictConfig) -> None:
    """One command after the other, each with its own number of devices in a folder of its own below that of this run."""
    begin = time.monotonic()
    folder, rows = run_folder(), []
    for count in list_counts(cfg.trainer.devices):
        log.info("Training on %d device%s", count, "" if count == 1 else "s")
        found = run_step(folder / str(count), count)
        rows.append(found["metrics"] | {"devices": count})
    for row in rows:
        row["scaling"] = rows[0]["devices"] * row["images_per_s"] / (row["devices"] * rows[0]["images_per_s"])
    protocol = found["protocol"] | {"what": "training"}
    write_results(folder, "benchmark", cfg.name, {"rows": rows}, protocol, time.monotonic() - begin)
    write_benchmark(folder)
    print_table(rows, protocol)
    log.info("report: %s", folder / "report.html")


def list_counts(devices: object) -> list[int]:
    """1, 2, 4, ... and trainer.devices itself."""
    if type(devices) is not int or devices < 1:
        raise ConfigError(f"trainer.devices is {devices}: give their number, at least 1")
    return [*(2**i for i in range((devices - 1).bit_length())), devices]


def run_step(folder: Path, devices: int) -> dict[str, Any]:
    """What results.json of task.what=step says; ICNetError with its last line where it fails."""
    strategy = "auto" if devices == 1 else "ddp"
    own = (
        "task.what=step",
        f"trainer.devices={devices}",
        f"trainer.strategy={strategy}",
        f"hydra.run.dir={quote(str(folder))}",
    )
    command = [sys.executable, "-m", "icnet", *HydraConfig.get().overrides.task, *own]
    environment = build_environment(own_environment(), threads=None, gpus=None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = last_line(done.stderr).removeprefix("icnet: ")
        raise ICNetError(
            f"on {devices} devices: {said or f'ended with status {done.returncode}'}; see {folder}/run.log"
        )
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


def benchmark_step(cfg: DictConfig) -> None:
    """Train for some steps on trainer.devices, and say how long they took."""
    begin = time.monotonic()
    start(cfg.seed)
    if type(cfg.task.steps) is not int or cfg.task.steps < 1:
        raise ConfigError(f"task.steps is {cfg.task.steps}: give at least 1")
    with open_dict(cfg):
        cfg = OmegaConf.merge(cfg, {"task": _AS_TRAIN})  # type: ignore[assignment]
    folder, clock = run_folder(), StepClock()
    trainer = build_stepper(cfg, folder, _WARM_UP + cfg.task.steps, [clock])
    data: SegmentationDataModule = build(cfg.data, label_maps=find_label_maps(cfg))
    network, teacher = build_network(cfg, data), read_teacher(cfg, data)
    data.prepare_data()
    data.setup()
    module = build_module(cfg, data, network, teacher)
    fit(cfg, trainer, module, data, data.augment.crop_size)
    if not trainer.is_global_zero:
        return
    device = trainer.strategy.root_device
    about = {"memory_bytes": read_peak(device), "parameters": count_parameters(module.net)}
    metrics = about | summarize(clock, data.batch_size * trainer.world_size)
    protocol = {
        "what": "step",
        "data": data.name,
        "crop_size": list(data.augment.crop_size),
        "batch_size": data.batch_size,
        "precision": trainer.precision,
        "steps": cfg.task.steps,
        "warm_up": _WARM_UP,
        "timing": "of the first process, its device synchronised after each step",
        "memory": "peak of the first process: of its GPU, or resident with Python and all libraries",
        **describe_machine(device),
    }
    write_results(folder, "benchmark", cfg.name, metrics, protocol, time.monotonic() - begin)
    log.info("%.1f images/s", metrics["images_per_s"])


def summarize(clock: StepClock, images: int) -> dict[str, float]:
    """images: of a step, of all processes. waiting: share of the time in which the next batch was not there yet."""
    steps, waits = clock.steps[_WARM_UP:], clock.waits[_WARM_UP:]
    seconds = sum(steps)
    return {
        "images_per_s": images * len(steps) / seconds,
        "step_ms": 1e3 * seconds / len(steps),
        "waiting": sum(waits) / seconds,
    }


def print_table(rows: Sequence[Mapping[str, Any]], protocol: Mapping[str, Any]) -> None:
    """One row for each number of devices."""
    height, width = protocol["crop_size"]
    crops = f"{protocol['batch_size']} crops of {height}x{width} a device, {protocol['precision']}"
    table = Table(title=f"Training step, {crops}; {protocol['device']}")
    for column in ("devices", "images/s", "scaling %", "step, ms", "waits for data %", "MB a process"):
        table.add_column(column, justify="right")
    for row in rows:
        memory = "" if row["memory_bytes"] is None else f"{row['memory_bytes'] / 1e6:.0f}"
        numbers = f"{row['images_per_s']:.1f}", f"{100 * row['scaling']:.0f}", f"{row['step_ms']:.0f}"
        table.add_row(str(row["devices"]), *numbers, f"{100 * row['waiting']:.1f}", memory)
    Console().print(table)
