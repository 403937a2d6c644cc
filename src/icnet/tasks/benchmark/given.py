"""What ckpt= names, and the engines that this machine has for it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig, ListConfig

from icnet.deploy.export import Order, missing_packages, write_file
from icnet.engines.engine import Engine
from icnet.engines.exported import ExportedEngine, is_exported, open_exported
from icnet.engines.load import load_engine
from icnet.errors import ConfigError
from icnet.model.icnet import SMALLEST_INFERENCE, STAGES, WHOLE
from icnet.tasks.setup.device import has_bf16
from icnet.tasks.setup.trained import check_checkpoint
from icnet.weights.checkpoint import Source, read_source

log = logging.getLogger(__name__)

Size = tuple[int, int]
_FRAME = (1024, 2048)  # where nobody knows of another
_SIZE = "give [[height,width],...], whole numbers of at least 32"
_RUNS = {".onnx": "onnxruntime", ".xml": "openvino", ".pt2": "torch_export"}
_SHORT = {"float32": "fp32", "f32": "fp32", "bfloat16": "bf16", "float16": "fp16", "f16": "fp16"}


class Given(NamedTuple):
    """A file that ckpt= names. source: of a checkpoint. exit, size: where an exported file ends; the only size that it
    takes, None for any. made_for: the size of the frames of its data."""

    path: Path
    source: Source | None
    exit: str
    size: Size | None
    made_for: Size


@dataclass(frozen=True)
class Variant:
    """An engine to measure: what it is opened from, and how. engine, name its row."""

    given: Given
    engine: str
    path: Path
    exit: str
    autocast: torch.dtype | None = None
    channels_last: bool = False
    compiled: bool = False

    def open(self, device: torch.device) -> Engine:
        """Ready to be timed at one size: what was compiled for another one is forgotten."""
        if self.compiled:
            torch.compiler.reset()
        engine = load_engine(self.path, self.autocast, self.compiled, self.channels_last)
        return engine.at(self.exit).to(device)


def read_given(ckpt: str | ListConfig | None) -> list[Given]:
    """One checkpoint or exported file, or several."""
    paths = list(ckpt) if isinstance(ckpt, ListConfig) else [ckpt]
    return [_read(check_checkpoint(path)) for path in paths or [None]]


def _read(path: Path) -> Given:
    if is_exported(path):
        card = open_exported(path).card
        return Given(path, None, card.exit, card.size, card.size or _FRAME)
    source = read_source(path)
    height, width = source.frame_size or _FRAME
    return Given(path, source, WHOLE, None, (height, width))


def choose_sizes(wanted: ListConfig | None, given: Sequence[Given]) -> list[Size]:
    """task.sizes; by default those that the files were made for."""
    if wanted is None:
        return list(dict.fromkeys(each.made_for for each in given))
    if not isinstance(wanted, ListConfig) or not wanted or not all(_is_size(size) for size in wanted):
        raise ConfigError(f"task.sizes is {wanted}: {_SIZE}")
    sizes = [(height, width) for height, width in wanted]
    for each in given:
        if each.size is not None and each.size not in sizes:
            raise ConfigError(f"{each.path} takes frames of {list(each.size)} alone: add this to task.sizes")
    for size in sizes:
        if all(each.size not in (None, size) for each in given):
            raise ConfigError(f"task.sizes has {list(size)}, which no file of ckpt= takes: leave it out")
    return sizes


def _is_size(size: object) -> bool:
    return (
        isinstance(size, ListConfig)
        and len(size) == 2
        and all(type(n) is int and n >= SMALLEST_INFERENCE for n in size)
    )


def check_exits(exits: object) -> list[str]:
    """task.exits."""
    if not isinstance(exits, ListConfig) or not exits or not set(exits) <= set(STAGES):
        raise ConfigError(f"task.exits is {exits}: give a list of {', '.join(STAGES)}")
    return [stage for stage in STAGES if stage in exits]


def list_networks(given: Given, exits: Sequence[str], task: DictConfig, device: torch.device) -> Iterator[Variant]:
    """A checkpoint in PyTorch: as it is, in the faster memory layout, in bf16 where the device has it; the last exit
    compiled, too, where there is a compiler."""
    if given.source is None:
        return
    types = (None, torch.bfloat16) if has_bf16(device.type) else (None,)
    for exit in exits:
        yield Variant(given, "eager", given.path, exit)
        for autocast in types:
            yield Variant(given, "channels_last", given.path, exit, autocast, channels_last=True)
    if task.compiled and device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
        log.info("torch.compile is left out: it needs g++")
    elif task.compiled:
        for autocast in types:
            yield Variant(given, "compiled", given.path, exits[-1], autocast, channels_last=True, compiled=True)


def list_files(given: Given, exits: Sequence[str], size: Size, folder: Path) -> Iterator[Variant]:
    """An exported file as it is; of a checkpoint those that can be written here, into `folder`."""
    if given.source is None:
        if given.size in (None, size):
            yield from _list_types(given, given.path, given.exit)
        return
    for format in choose_formats():
        log.info("Writing %s at %dx%d", format, *size)
        for exit in exits:
            place = Path(tempfile.mkdtemp(dir=folder))
            path = write_file(given.source, Order(format, "fp32", exit, "labels", size), place)
            yield from _list_types(given, path, exit)


def choose_formats() -> list[str]:
    """The formats that the installed packages write and run; what needs torch alone, where there is nothing else."""
    return [format for format in ("onnx", "openvino") if not missing_packages(format)] or ["torch"]


def _list_types(given: Given, path: Path, exit: str) -> Iterator[Variant]:
    """OpenVINO computes float files in bf16 too, where the CPU has it."""
    yield Variant(given, _RUNS[path.suffix], path, exit)
    if path.suffix == ".xml" and has_bf16("cpu") and open_exported(path).facts.precision != "int8":
        yield Variant(given, _RUNS[path.suffix], path, exit, torch.bfloat16)


def name_precision(engine: Engine) -> str:
    """fp32, bf16, fp16 or int8: of the weights, where a file has smaller ones than those of its arithmetic."""
    computed = _SHORT.get(engine.card.precision, engine.card.precision)
    if isinstance(engine, ExportedEngine) and computed == "fp32":
        return engine.facts.precision
    return computed
