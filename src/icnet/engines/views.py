"""Several views of a frame through an engine, averaged: sizes, scales, mirrored, windows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from icnet.engines.engine import Card, Engine
from icnet.errors import ConfigError
from icnet.model.icnet import SMALLEST_INFERENCE
from icnet.model.layers import Resize, size_of

_OVERLAP = 3  # neighbouring windows share a third of their length


@dataclass(frozen=True)
class Scheme:
    """How a frame is brought to the network. The default is the cheapest and the paper's: once, whole, as it is.

    size: (height, width) that the frame is resized to first (the authors: 1025, 2049); None leaves it.
    scales: factors of that size; the class probabilities of all are averaged.
    flip: average with the mirrored frame, at each scale.
    window: (height, width) of a window that slides over the frame, neighbours sharing a third; None reads it whole.
    """

    size: tuple[int, int] | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, size in (("size", self.size), ("window", self.window)):
            if size is not None and not _is_size(size):
                raise ConfigError(f"task.{name} is {size}: give [height,width], whole numbers of at least 32")
        if not isinstance(self.scales, tuple) or not self.scales or not all(_is_factor(s) for s in self.scales):
            raise ConfigError(f"task.scales is {self.scales}: give factors above 0 and up to 8, e.g. [0.75,1.0]")

    @property
    def averages(self) -> bool:
        """Whether several views decide together: by class probabilities. One decides by logits, with the same maximum."""
        return self.window is not None or self.flip or len(self.scales) > 1


def view(engine: Engine, scheme: Scheme) -> Engine:
    """The engine by this scheme."""
    return engine if scheme == Scheme() else Views(engine, scheme)


def probabilities(engine: Engine, frames: Tensor) -> Tensor:
    """(N, classes, H, W) float32: what the scores of an engine say of each class, with sum 1."""
    scores = engine.scores(frames)
    averages = isinstance(engine, Views) and engine.scheme.averages
    return scores / scores.sum(dim=1, keepdim=True) if averages else scores.softmax(dim=1)


class Views:
    """An engine that reads frames by a scheme; its label maps and scores have the size of the frames."""

    def __init__(self, engine: Engine, scheme: Scheme) -> None:
        self.engine, self.scheme = engine, scheme
        self.resize = Resize(engine.card.align_corners)

    @property
    def card(self) -> Card:
        return self.engine.card

    @property
    def device(self) -> torch.device:
        return self.engine.device

    def to(self, device: torch.device) -> Views:
        return Views(self.engine.to(device), self.scheme)

    @property
    def exits(self) -> tuple[str, ...]:
        return self.engine.exits

    def at(self, exit: str) -> Views:
        return Views(self.engine.at(exit), self.scheme)

    def label_maps(self, frames: Tensor) -> Tensor:
        return self.scores(frames).max(dim=1).indices.to(torch.uint8)

    @torch.inference_mode()
    def scores(self, frames: Tensor) -> Tensor:
        """Logits of the one view, or the sum of the class probabilities of several."""
        images = frames.permute(0, 3, 1, 2).float()
        native = size_of(images)
        total = torch.zeros((), device=images.device)
        for size, mirrored in product(self._sizes(native), (False, True) if self.scheme.flip else (False,)):
            seen = self.resize(images, size)
            scores = self._slide(seen.flip(-1) if mirrored else seen)
            total = total + self.resize(scores.flip(-1) if mirrored else scores, native)
        return total

    def count_macs(self, size: tuple[int, int]) -> int:
        """Of all views together."""
        total = 0
        for seen in self._sizes(size):
            windows = self._windows(seen)
            rows, columns = windows[0]
            total += len(windows) * self.engine.count_macs((rows.stop, columns.stop))
        return total * (2 if self.scheme.flip else 1)

    def _sizes(self, native: tuple[int, int]) -> list[tuple[int, int]]:
        """(height, width) at each scale."""
        height, width = self.scheme.size or native
        return [(round(height * scale), round(width * scale)) for scale in self.scheme.scales]

    def _windows(self, size: tuple[int, int]) -> list[tuple[slice, slice]]:
        """Rows and columns of each window over a view; all have the same size."""
        rows, columns = (
            [slice(start, min(start + window, length)) for start in _starts(length, window)]
            for length, window in zip(size, self.scheme.window or size, strict=True)
        )
        return list(product(rows, columns))

    def _slide(self, images: Tensor) -> Tensor:
        """Scores of a view, averaged over the windows that cover a pixel."""
        size = size_of(images)
        total = torch.zeros((), device=images.device)
        count = torch.zeros(size, device=images.device)
        for rows, columns in self._windows(size):
            place = (..., rows, columns)
            scores = self._score(images[place])
            if total.ndim == 0:
                total = scores.new_zeros(*scores.shape[:2], *size)
            total[place] += scores
            count[place] += 1
        return total / count

    def _score(self, images: Tensor) -> Tensor:
        logits = self.engine.scores(images.permute(0, 2, 3, 1))
        return logits.softmax(dim=1) if self.scheme.averages else logits


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple) and len(size) == 2 and all(isinstance(n, int) and n >= SMALLEST_INFERENCE for n in size)
    )


def _is_factor(scale: object) -> bool:
    return isinstance(scale, int | float) and 0 < scale <= 8


def _starts(length: int, window: int) -> list[int]:
    """Where windows begin along an axis: evenly, overlapping by a third or more, the last one ending at its end."""
    if length <= window:
        return [0]
    count = -(-(length - window) * _OVERLAP // (window * (_OVERLAP - 1))) + 1
    return [round(i * (length - window) / (count - 1)) for i in range(count)]
