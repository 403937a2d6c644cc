"""task=benchmark task.what=data: how long a training sample takes from packed data, from files, and the plain way."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from icnet.data.dataset import Draw, SegmentationDataset
from icnet.data.division import frames_of
from icnet.data.labels import ClassTable
from icnet.data.pack.read import open_packs
from icnet.data.pack.write import pack
from icnet.data.plain import PlainPipeline
from icnet.data.samples import Sample
from icnet.data.transforms import Augment
from icnet.errors import ConfigError
from icnet.report.results import describe_machine, write_results
from icnet.tasks.setup.build import build, run_folder
from icnet.training.datamodule import SegmentationDataModule

log = logging.getLogger(__name__)

_WARM_UP = 3  # samples of each way that are not counted
_JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


class Way(NamedTuple):
    """A way to training samples.

    make: number of a sample and of a draw -> the sample, which nobody needs. bytes: of all samples on disk.
    """

    make: Callable[[int, int], object]
    bytes: int


def benchmark_data(cfg: DictConfig) -> None:
    """Every way takes its turn at every sample, on one core."""
    begin = time.monotonic()
    task = cfg.task
    if min(task.frames, task.samples) < 1:
        raise ConfigError(f"task.frames is {task.frames} and task.samples is {task.samples}: at least 1 each")
    data: SegmentationDataModule = build(at_full_size(cfg.data, task))
    log.info("Measuring on %s; generated frames are drawn on first use", data.root)
    data.prepare_data()
    samples = frames_of(data.layout, data.division.train)[: task.frames]
    folder, crop_size, scale = run_folder(), data.augment.crop_size, list(task.scale)
    Augment(crop_size, scale)  # refuses what cannot be
    with one_core(), tempfile.TemporaryDirectory(dir=folder) as packs:
        ways = make_ways(samples, data.classes, crop_size, scale, Path(packs))
        seconds = measure(ways, len(samples), task.samples)
    metrics = summarize(ways, seconds, len(samples), task.samples)
    protocol = {
        "data": data.name,
        "frames": len(samples),
        "image_size": list(SegmentationDataset(samples[:1], data.classes)[0].label.shape),
        "crop_size": list(crop_size),
        "scale": scale,
        "jitter": _JITTER,
        "samples": task.samples,
        "statistic": "mean CPU time of the process; the ways take turns; files in the page cache",
        "cores": 1,
        **describe_machine(torch.device("cpu")),
    }
    write_results(folder, "benchmark", cfg.name, {"data": metrics}, protocol, time.monotonic() - begin)
    print_table(metrics, protocol)


def at_full_size(data: DictConfig, task: DictConfig) -> DictConfig:
    """The data as they are; generated ones are drawn at the size of `task.generated`, in a folder of their own."""
    if data.get("prepare") is None:
        return data
    size, crop_size = list(task.generated.size), list(task.generated.crop_size)
    prepare = {"train": task.frames, "val": 0, "size": size}
    root = f"{data.root}_{'x'.join(map(str, size))}"
    return OmegaConf.merge(data, {"root": root, "crop_size": crop_size, "prepare": prepare})  # type: ignore[return-value]


def make_ways(
    samples: Sequence[Sample], classes: ClassTable, crop_size: tuple[int, int], scale: Sequence[float], folder: Path
) -> dict[str, Way]:
    """Every way by its name; packs are written into `folder`."""
    large, small = folder / "large", folder / "small"
    packed = pack(samples, classes, large)
    compressed = pack(samples, classes, small, compress=True)

    def ours(augment: Augment, place: Path | None, bytes_: int) -> Way:
        packs = None if place is None else open_packs([place], samples, classes)
        data = SegmentationDataset(samples, classes, augment, packed=packs)
        return Way(lambda sample, draw: data[Draw(draw, sample)], bytes_)

    plain = PlainPipeline(crop_size, scale)
    return {
        "plain": Way(lambda sample, draw: plain(samples[sample], draw), packed.source_bytes),
        "files": ours(Augment(crop_size, scale), None, packed.source_bytes),
        "compressed": ours(Augment(crop_size, scale), small, compressed.bytes),
        "packed_jitter": ours(Augment(crop_size, scale, **_JITTER), large, packed.bytes),  # type: ignore[arg-type]
        "packed": ours(Augment(crop_size, scale), large, packed.bytes),
    }


def measure(ways: Mapping[str, Way], frames: int, count: int) -> dict[str, float]:
    """Seconds of the process that `count` samples take each way.

    What else the machine does is not counted; as the ways take turns, what it does to the caches slows down all of them.
    """
    seconds = dict.fromkeys(ways, 0.0)
    for draw in range(-_WARM_UP, count):
        for name, way in ways.items():
            start = time.process_time()
            way.make(draw % frames, draw + _WARM_UP)
            if draw >= 0:
                seconds[name] += time.process_time() - start
    return seconds


def summarize(ways: Mapping[str, Way], seconds: Mapping[str, float], frames: int, count: int) -> dict[str, Any]:
    """The numbers of each way; `speedup` is against the plain way."""
    return {
        name: {
            "sample_ms": 1e3 * seconds[name] / count,
            "samples_per_s": count / seconds[name],
            "speedup": seconds["plain"] / seconds[name],
            "frame_bytes": way.bytes // frames,
        }
        for name, way in ways.items()
    }


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, OpenCV included, to one core."""
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, {max(cores)})
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)


def print_table(metrics: Mapping[str, Any], protocol: Mapping[str, Any]) -> None:
    """One row a way, the plain one first."""
    (height, width), crop = protocol["image_size"], protocol["crop_size"]
    table = Table(title=f"Samples of {crop[0]}x{crop[1]} from frames of {height}x{width}, one core")
    for column in ("way", "ms", "samples/s", "of plain", "MB a frame"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, row in metrics.items():
        numbers = f"{row['sample_ms']:.1f}", f"{row['samples_per_s']:.0f}", f"1/{row['speedup']:.1f}"
        table.add_row(name.replace("_", ", "), *numbers, f"{row['frame_bytes'] / 1e6:.2f}")
    Console().print(table)
