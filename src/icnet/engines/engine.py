"""What everything that reads frames asks of a network, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.errors import DataError
from icnet.model.icnet import SMALLEST_INFERENCE
from icnet.model.preprocess import WHOLE_DEPTH


@dataclass(frozen=True)
class Card:
    """What an engine says of itself.

    kind: what runs it, in words. exit: the stage of the cascade at which it ends.
    precision: what its convolutions compute in.
    size: (height, width) of the only frames that it takes; None: any of at least 32x32. has_scores: else label maps alone.
    align_corners: geometry in which it resizes. parameters: its trainable numbers, of what the exit needs.
    bit_depth: how many bits of 16-bit images it takes for used: see `read_image`.
    """

    kind: str
    classes: ClassTable
    exit: str
    precision: str
    align_corners: bool
    parameters: int
    size: tuple[int, int] | None = None
    has_scores: bool = True
    bit_depth: int = WHOLE_DEPTH


class Engine(Protocol):
    """A network that reads frames: uint8 (N, H, W, 3), red first, on its device. DataError where they are too small."""

    @property
    def card(self) -> Card: ...

    @property
    def device(self) -> torch.device:
        """Where frames are expected, and label maps come out."""

    def to(self, device: torch.device) -> Engine:
        """This engine on another device; an error where it cannot run there."""

    @property
    def exits(self) -> tuple[str, ...]:
        """The stages of the cascade at which it can end, in order; `card.exit` is one of them."""

    def at(self, exit: str) -> Engine:
        """The same network ending at another of its exits; ConfigError where it has no such exit."""

    def label_maps(self, frames: Tensor) -> Tensor:
        """(N, H, W) uint8 train ids."""

    def scores(self, frames: Tensor) -> Tensor:
        """(N, classes, H, W) float32 logits. frames may be floats on the scale 0..255: views that were resized."""

    def count_macs(self, size: tuple[int, int]) -> int:
        """Multiplications of one frame of (height, width)."""


def check_size(frames: Tensor) -> None:
    """Refuse frames (N, H, W, 3) that no network here can read."""
    height, width = frames.shape[1:3]
    if min(height, width) < SMALLEST_INFERENCE:
        raise DataError(f"a frame is {height}x{width} where the network reads it: ICNet needs at least 32x32")
