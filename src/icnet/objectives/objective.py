"""What training minimises."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from icnet.model.icnet import CascadeLogits


class Objective(Protocol):
    """An nn.Module that training hands what it has; it may own a teacher.

    frames (N, H, W, 3) uint8, red first; outputs: logits of the three stages; labels (N, H, W) uint8 train ids.
    """

    def terms(self, frames: Tensor, outputs: CascadeLogits, labels: Tensor) -> dict[str, Tensor]:
        """Named scalars, all of which are logged as train/loss_NAME, and "total", which is minimised."""

    def validate(self, outputs: CascadeLogits, labels: Tensor) -> Tensor:
        """The loss by labels alone: comparable between runs, whatever else they minimise."""
