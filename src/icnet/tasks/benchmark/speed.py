"""task=benchmark task.what=speed: every engine at hand on one real frame, beside what the machine could do at best."""

from __future__ import annotations

import logging
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor

from icnet.data.judged import JudgedDataset
from icnet.deploy.memory import Load, measure_memory
from icnet.deploy.speed import measure_product_rate, time_images, time_stages
from icnet.engines.engine import Engine
from icnet.engines.exported import resize_frames
from icnet.engines.pytorch import TorchEngine
from icnet.errors import ConfigError
from icnet.report.benchmark import write_benchmark
from icnet.report.results import describe_machine, write_results
from icnet.streets.scene import draw_street
from icnet.tasks.benchmark.given import (
    Given,
    Size,
    Variant,
    check_exits,
    choose_sizes,
    list_files,
    list_networks,
    name_precision,
    read_given,
)
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.device import choose_device
from icnet.tasks.setup.trainer import start
from icnet.training.datamodule import SegmentationDataModule
from icnet.weights.download import sha256

log = logging.getLogger(__name__)
Row = dict[str, Any]
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}  # whose matrix product is the floor of an engine


def benchmark_speed(cfg: DictConfig) -> None:
    """Time them at every size and batch, write what was found."""
    begin = time.monotonic()
    start(cfg.seed)
    task, folder, device = cfg.task, run_folder(), choose_device(cfg.trainer)
    given, exits = read_given(cfg.ckpt), check_exits(task.exits)
    sizes, batches = choose_sizes(task.sizes, given), check_counts(task)
    picture, origin = read_picture(cfg)
    rows: list[Row] = []
    stages: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
        for size in sizes:
            frame = fit_frame(picture, size)
            networks = [v for each in given for v in list_networks(each, exits, task, device)]
            variants = networks + [v for each in given for v in list_files(each, exits, size, Path(draft))]
            for batch in batches:
                log.info("Timing %d engines at %dx%d, batch %d", len(variants), *size, batch)
                engines = [variant.open(device) for variant in variants]
                found = measure(variants, engines, frame.repeat(batch, 1, 1, 1), task.repeats)
                if task.memory:
                    add_memory(found, variants, device)
                rows += found
                stages = stages or measure_stages(engines, frame[None], task.repeats)
    floor = add_floor(rows, device)
    metrics = summarize(rows) | {"stages": stages, "floor": floor, "rows": rows}
    protocol = describe(cfg, given, origin) | describe_machine(device)
    write_results(folder, "benchmark", cfg.name, metrics, protocol, time.monotonic() - begin)
    write_benchmark(folder)
    print_table(rows, protocol)
    log.info("report: %s", folder / "report.html")


def check_counts(task: DictConfig) -> list[int]:
    """task.batches; with task.repeats, what is counted."""
    if type(task.repeats) is not int or task.repeats < 1:
        raise ConfigError(f"task.repeats is {task.repeats}: give at least 1")
    batches = task.batches
    if not isinstance(batches, ListConfig) or not batches or not all(type(n) is int and n >= 1 for n in batches):
        raise ConfigError(f"task.batches is {batches}: give a list of whole numbers of at least 1, such as [1,8]")
    return list(batches)


def read_picture(cfg: DictConfig) -> tuple[Tensor | None, str]:
    """The first frame of the data, and where it is from; None where the data are generated anyway."""
    if cfg.data.get("prepare") is not None:
        return None, "a generated street"
    data: SegmentationDataModule = build(cfg.data)
    samples = data.find_judged()[:1]
    return JudgedDataset(samples, data.classes)[0].image, f"{data.name}, {samples[0].image.name}"


def fit_frame(picture: Tensor | None, size: Size) -> Tensor:
    """The picture at (height, width); a street drawn at it where there is none."""
    if picture is None:
        return torch.from_numpy(draw_street(0, 0, size).image)
    return picture if picture.shape[:2] == size else resize_frames(picture[None], size)[0]


def measure(variants: Sequence[Variant], engines: Sequence[Engine], frames: Tensor, repeats: int) -> list[Row]:
    """A row for each engine; the engines take turns."""
    times = time_images({str(i): engine for i, engine in enumerate(engines)}, frames, repeats)
    size, batch = (int(frames.shape[1]), int(frames.shape[2])), len(frames)
    return [
        {
            "checkpoint": str(variant.given.path),
            "engine": variant.engine,
            "precision": name_precision(engine),
            "runs_on": f"{engine.card.kind}, {engine.device.type}",
            "exit": variant.exit,
            "size": list(size),
            "batch": batch,
            **summarize_times(series, batch),
            "memory_bytes": None,
            "parameters": engine.card.parameters,
            "macs": engine.count_macs(size),
        }
        for variant, engine, series in zip(variants, engines, times.values(), strict=True)
    ]


def summarize_times(series: Sequence[float], batch: int = 1) -> dict[str, float]:
    """Milliseconds of a batch; 95 of 100 take at most p95_ms. Frames a second."""
    median = statistics.median(series)
    late = sorted(series)[math.ceil(0.95 * len(series)) - 1]
    return {"median_ms": median, "p95_ms": late, "fps": 1e3 * batch / median}


def add_memory(rows: Sequence[Row], variants: Sequence[Variant], device: torch.device) -> None:
    """Of each engine in a process of its own, as its `memory_bytes`."""
    log.info("Measuring the memory of %d engines", len(rows))
    for row, each in zip(rows, variants, strict=True):
        autocast = None if each.autocast is None else str(each.autocast).removeprefix("torch.")
        read = row["size"], row["batch"], torch.get_num_threads()
        load = Load(str(each.path), each.exit, autocast, each.compiled, each.channels_last, str(device), *read)
        row["memory_bytes"] = measure_memory(load)


def measure_stages(engines: Sequence[Engine], frames: Tensor, repeats: int) -> dict[str, float]:
    """The parts of the first whole network that PyTorch runs as it is; none where exported files alone are given."""
    plain = [e for e in engines if isinstance(e, TorchEngine) and name_precision(e) == "fp32"]
    whole = [e for e in plain if e.card.exit == plain[-1].card.exit]
    return time_stages(whole[0], frames, repeats) if whole else {}


def add_floor(rows: Sequence[Row], device: torch.device) -> dict[str, float]:
    """Multiplications a second of the matrix product in each type; and what they make of a row's, as its `floor_ms`."""
    here = {row["precision"] for row in rows} & _TYPES.keys()
    rates = {name: measure_product_rate(device, _TYPES[name]) for name in sorted(here, reverse=True)}
    for row in rows:
        rate = rates.get(row["precision"])
        row["floor_ms"] = None if rate is None else 1e3 * row["batch"] * row["macs"] / rate
    return rates


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """The engines by name at the first size and batch, the whole network before its exits; the exits of the first engine."""
    first = [row for row in rows if (row["size"], row["batch"]) == (rows[0]["size"], rows[0]["batch"])]
    same = ("checkpoint", "engine", "precision")
    exits = {row["exit"]: row for row in first if all(row[key] == first[0][key] for key in same)}
    whole = list(exits.values())[-1]
    metrics: dict[str, Any] = {key: whole[key] for key in ("parameters", "macs")}
    for row in sorted(first, key=lambda row: row["exit"] != whole["exit"]):
        numbers = {key: row[key] for key in ("median_ms", "p95_ms", "fps", "memory_bytes", "floor_ms")}
        metrics.setdefault(row["engine"], {}).setdefault(row["precision"], numbers)
    metrics["exits"] = {name: {"median_ms": row["median_ms"], "macs": row["macs"]} for name, row in exits.items()}
    return metrics


def describe(cfg: DictConfig, given: Sequence[Given], origin: str) -> dict[str, Any]:
    """What makes the numbers comparable."""
    return {
        "what": "speed",
        "checkpoints": {str(each.path): sha256(each.path) for each in given},
        "frame": origin,
        "repeats": cfg.task.repeats,
        "timing": "from frames in memory to label maps (normalise, network, resize, argmax), synchronised, after a first "
        "pass; the engines take turns",
        "memory": "peak of a process that opens this engine alone and reads frames twice, beyond Python and torch"
        if cfg.task.memory
        else "not measured",
        "floor": "multiplications of the convolutions over those a second of torch.mm, 2048x2048, on this device",
        "stages": "of the network as PyTorch runs it in fp32, eager",
    }


def print_table(rows: Sequence[Row], protocol: Mapping[str, Any]) -> None:
    """A table for each size and batch, a part of it for each exit, in which the first row is the yardstick."""
    several = len({row["checkpoint"] for row in rows}) > 1
    for (height, width), batch in dict.fromkeys((tuple(row["size"]), row["batch"]) for row in rows):
        part = [row for row in rows if (row["size"], row["batch"]) == ([height, width], batch)]
        title = f"{height}x{width}, batch {batch}; {protocol['device']}, {protocol['threads']} threads"
        table = Table(title=title, box=SIMPLE_HEAD)  # narrow enough for 80 columns
        for column in (*(("checkpoint",) if several else ()), "exit", "engine"):
            table.add_column(column, no_wrap=column == "engine")
        for column in ("ms", "p95", "fps", "of first", "MB", "floor"):
            table.add_column(column, justify="right")
        for exit in dict.fromkeys(row["exit"] for row in part):
            same = [row for row in part if row["exit"] == exit]
            for row in same:
                place = (Path(row["checkpoint"]).name,) if several else ()
                numbers = _numbers(row, same[0]["median_ms"])
                table.add_row(*place, exit, f"{row['engine']} {row['precision']}", *numbers)
            table.add_section()
        Console().print(table)


def _numbers(row: Row, first_ms: float) -> tuple[str, ...]:
    memory, floor = row["memory_bytes"], row["floor_ms"]
    return (
        f"{row['median_ms']:.1f}",
        f"{row['p95_ms']:.1f}",
        f"{row['fps']:.1f}",
        f"{row['median_ms'] / first_ms:.2f}",
        "" if memory is None else f"{memory / 1e6:.0f}",
        "" if floor is None else f"{floor:.1f}",
    )
