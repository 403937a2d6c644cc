"""task=benchmark task.what=frontier: which exported file is the best within a budget of milliseconds on this machine."""

from __future__ import annotations

import logging
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from icnet.data.judged import JudgedDataset
from icnet.engines.load import load_engine
from icnet.engines.views import Scheme
from icnet.errors import ConfigError, ICNetError
from icnet.model.icnet import SMALLEST_INFERENCE
from icnet.report.benchmark import write_benchmark
from icnet.report.results import describe_machine, write_results
from icnet.tasks.benchmark.given import Given, Size, Variant, check_exits, choose_sizes, list_files, read_given
from icnet.tasks.benchmark.speed import Row, add_floor, check_counts, describe, fit_frame, measure, summarize
from icnet.tasks.evaluate.evaluate import check_classes, choose_frames, describe_frames
from icnet.tasks.evaluate.scores import summarize_exit
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.device import choose_device
from icnet.tasks.setup.trained import Trained
from icnet.tasks.setup.trainer import build_evaluator, start
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import judge

log = logging.getLogger(__name__)
_SCALES = (1.0, 0.75, 0.5)  # of the frames, where task.sizes says nothing
_FORMATS = {".onnx": "onnx", ".xml": "openvino", ".pt2": "torch"}


def benchmark_frontier(cfg: DictConfig) -> None:
    """Write every file that task=export would, time and judge it, name the best."""
    begin = time.monotonic()
    start(cfg.seed)
    task, folder, budget = cfg.task, run_folder(), check_budget(cfg.task.budget_ms)
    cfg = OmegaConf.merge(cfg, {"trainer": {"devices": 1, "num_nodes": 1, "strategy": "auto"}})  # type: ignore[assignment]
    given, exits, _ = read_given(cfg.ckpt), check_exits(task.exits), check_counts(task)
    sizes = list(shrink(given)) if task.sizes is None else choose_sizes(task.sizes, given)
    data: SegmentationDataModule = build(cfg.data)
    for each in given:
        check_classes(Trained(each.path, load_engine(each.path), Scheme()), data)
    data.prepare_data()
    samples, depth = choose_frames(data.find_judged(), task.max_images), load_engine(given[0].path).card.bit_depth
    frames = JudgedDataset(samples, data.classes, bit_depth=depth)
    trainer, device = build_evaluator(cfg, folder), choose_device(cfg.trainer)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
        for size in sizes:
            variants = [v for each in given for v in list_files(each, exits, size, Path(draft))]
            engines = [variant.open(device) for variant in variants]
            log.info("Timing and judging %d files at %dx%d on %d frames", len(variants), *size, len(frames))
            found = measure(variants, engines, fit_frame(frames[0].image, size)[None], task.repeats)
            others = {str(i): engine for i, engine in enumerate(engines[1:], 1)}
            result = judge(trainer, engines[0], others, frames, cfg.data.num_workers)
            for row, variant, matrices in zip(found, variants, (result.matrices, *result.others.values()), strict=True):
                rows.append(row | summarize_exit(matrices) | {"command": say_command(variant, row)})
    if any(row["miou"] is None for row in rows):
        raise ICNetError("the labels hold no labelled pixel: check data.split and data.classes.ignored_ids")
    rows.sort(key=lambda row: (row["median_ms"], -row["miou"]))
    mark_frontier(rows)
    best = find_best(rows, budget)
    floor = add_floor(rows, device)
    metrics = summarize(rows) | {"floor": floor, "best": best, "rows": rows}
    protocol = describe(cfg, given, f"the first of {data.name}, {data.judged_split}") | {"what": "frontier"}
    protocol |= {"budget_ms": budget} | describe_frames(data, frames) | describe_machine(device)
    write_results(folder, "benchmark", cfg.name, metrics, protocol, time.monotonic() - begin)
    write_benchmark(folder)
    print_table(rows, protocol)
    log.info("%s\nreport: %s", say_best(rows, best, budget), folder / "report.html")


def check_budget(budget: object) -> float:
    """task.budget_ms."""
    if not isinstance(budget, int | float) or isinstance(budget, bool) or not budget > 0:
        raise ConfigError(f"task.budget_ms is {budget}: give milliseconds above 0")
    return float(budget)


def shrink(given: Sequence[Given]) -> Iterator[Size]:
    """The sizes that the files were made for, and smaller ones, which the files of checkpoints can have."""
    found: dict[Size, None] = {}
    for each in given:
        for scale in _SCALES if each.source is not None else _SCALES[:1]:
            height, width = (max(SMALLEST_INFERENCE, round(scale * n)) for n in each.made_for)
            found[height, width] = None
    yield from found


def mark_frontier(rows: Sequence[Row]) -> None:
    """On the frontier is what no other one beats: whatever is at least as fast has a lower mIoU. rows: the fastest first."""
    highest = -1.0
    for row in rows:
        row["on_frontier"] = row["miou"] > highest
        highest = max(highest, row["miou"])


def find_best(rows: Sequence[Row], budget: float) -> Row | None:
    """The highest mIoU within the budget, of equal ones the fastest; None where none is fast enough."""
    fast = [row for row in rows if row["median_ms"] <= budget]
    return max(fast, key=lambda row: (row["miou"], -row["median_ms"]), default=None)


def say_command(variant: Variant, row: Row) -> str | None:
    """What exports this file, judged by the same data; None for one that is exported already."""
    if variant.given.source is None:
        return None
    chosen = [o for o in HydraConfig.get().overrides.task if o.startswith(("data", "experiment="))]
    size = ",".join(map(str, row["size"]))
    order = [f"task.format={_FORMATS[variant.path.suffix]}", f"task.exit={variant.exit}", f"task.size=[{size}]"]
    return shlex.join(["python", "run.py", "task=export", f"ckpt={variant.given.path}", *order, *chosen])


def say_best(rows: Sequence[Row], best: Row | None, budget: float) -> str:
    """One sentence, with the command."""
    if best is None:
        return f"No file reads a frame in {budget:g} ms; the fastest of {len(rows)} takes {rows[0]['median_ms']:.1f} ms"
    how = f"{best['engine']}, {best['precision']}, {best['exit']}, {best['size'][0]}x{best['size'][1]}"
    said = f"Best within {budget:g} ms: mIoU {best['miou']:.4f} in {best['median_ms']:.1f} ms ({how})"
    return f"{said}: {best['command'] or best['checkpoint'] + ' as it is'}"


def print_table(rows: Sequence[Row], protocol: Mapping[str, Any]) -> None:
    """The fastest first; what is on the frontier in bold."""
    table = Table(title=f"{protocol['data']}, {protocol['split']}; {protocol['device']}, {protocol['threads']} threads")
    for column in ("checkpoint", "engine", "", "exit", "size"):
        table.add_column(column)
    for column in ("ms", "mIoU %"):
        table.add_column(column, justify="right")
    for row in rows:
        place = (
            Path(row["checkpoint"]).name,
            row["engine"],
            row["precision"],
            row["exit"],
            "x".join(map(str, row["size"])),
        )
        numbers = f"{row['median_ms']:.1f}", f"{100 * row['miou']:.2f}"
        table.add_row(*place, *numbers, style="bold" if row["on_frontier"] else None)
    Console().print(table)
