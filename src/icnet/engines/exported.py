"""An exported file as an engine, whatever runs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.engines.engine import Card
from icnet.engines.facts import Facts
from icnet.errors import ConfigError, DataError, WeightsError
from icnet.model.layers import Resize
from icnet.model.preprocess import WHOLE_DEPTH
from icnet.model.work import count_exit_macs

# The file of each format in this folder, which has `open_file(path, autocast) -> Opened`; and the package it needs
FORMATS = {".onnx": ("onnx", "onnxruntime"), ".xml": ("openvino", "openvino"), ".pt2": ("program", "torch")}


Run = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.generic]]  # of frames (N, H, W, 3)


class Opened(NamedTuple):
    """A file that is ready to run.

    run: gives what the file gives. kind, precision: of what runs it, for its card.
    """

    facts: Facts
    run: Run
    kind: str
    precision: str


def is_exported(path: str | Path) -> bool:
    """Whether this is the name of an exported file."""
    return Path(path).suffix in FORMATS


def open_exported(path: str | Path, autocast: torch.dtype | None = None) -> ExportedEngine:
    """Read a file that task=export wrote. autocast: as `load_engine`, of engines that can choose.

    WeightsError where it is missing, torn or from elsewhere.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"there is no file {path}: check the path")
    module, package = FORMATS[path.suffix]
    try:
        return ExportedEngine(path, importlib.import_module(f"icnet.engines.{module}").open_file(path, autocast))
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigError(f'{path} needs {package}, which is not installed: pip install -e ".[export]"') from error


class ExportedEngine:
    """Reads frames on the CPU's side, wherever they lie; label maps come back to where the frames were.

    A file of fixed size resizes other frames to it, and label maps back (nearest).
    """

    device = torch.device("cpu")

    def __init__(self, path: Path, opened: Opened) -> None:
        self.path, self.facts, self._run = path, opened.facts, opened.run
        facts, size = opened.facts, opened.facts.size
        self.card = Card(
            opened.kind,
            ClassTable(**{k: v for k, v in facts.classes.items() if k != "ignore_index"}),
            facts.exit,
            opened.precision,
            bool(facts.architecture["align_corners"]),
            facts.parameters,
            None if size is None else (size[0], size[1]),
            facts.output == "logits",
            facts.normalisation.get("bit_depth", WHOLE_DEPTH),
        )

    def to(self, device: torch.device) -> ExportedEngine:
        return self

    @property
    def exits(self) -> tuple[str, ...]:
        return (self.card.exit,)

    def at(self, exit: str) -> ExportedEngine:
        if exit != self.card.exit:
            raise ConfigError(f"task.exit is {exit!r}: {self.path} ends at {self.card.exit}, and has no other exit")
        return self

    def label_maps(self, frames: Tensor) -> Tensor:
        made = self._read(frames)
        if self.facts.output == "logits":
            made = made.max(dim=1).indices.to(torch.uint8)
        rows, columns = (nearest(made.shape[d], frames.shape[d]) for d in (1, 2))
        return made[:, rows][:, :, columns].to(frames.device)

    def scores(self, frames: Tensor) -> Tensor:
        if self.facts.output != "logits":
            raise ConfigError(
                f"{self.path} gives label maps, and several views of a frame or a queue need scores: leave task.scales, "
                "task.flip, task.size, task.window and task.queue out, or export it with task.output=logits"
            )
        return Resize(self.card.align_corners)(self._read(frames), frames.shape[1:3]).to(frames.device)

    def count_macs(self, size: tuple[int, int]) -> int:
        return count_exit_macs(self.facts.architecture, self.card.exit, self.card.size or size)

    def _read(self, frames: Tensor) -> Tensor:
        """What the file gives, at its own size."""
        height, width = self.card.size or frames.shape[1:3]
        if min(height, width) < self.facts.smallest:
            raise DataError(f"a frame is {height}x{width}: {self.path} needs at least {self.facts.smallest} of both")
        frames = resize_frames(frames, (height, width))
        return torch.from_numpy(self._run(np.ascontiguousarray(frames.cpu().numpy())))


def resize_frames(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames (N, H, W, 3), uint8 or floats on the same scale, as uint8 of (height, width): bilinear, rounded half up.

    The bytes are the same on every machine, and in src/runtime: a value that is not halfway between two bytes is further
    from there than doubles err, and than this rounding adds.
    """
    if frames.shape[1:3] == size and frames.dtype == torch.uint8:
        return frames
    images = Resize()(frames.permute(0, 3, 1, 2).double(), size)
    return (images + (0.5 + 1e-9)).floor().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def nearest(before: int, after: int) -> Tensor:
    """The place nearest to the centre of each of `after` places; in whole numbers, whose boundaries have no rounding."""
    return (2 * torch.arange(after) + 1) * before // (2 * after)
