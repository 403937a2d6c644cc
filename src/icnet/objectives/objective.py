"""What training minimises."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from icnet.model.icnet import CascadeLogits


class Objective(Protocol):
    """What training hands all it has; mostly an nn.Module. It is not trained or saved itself, nor is a teacher that it owns.

    What it takes of `class_weights`, `align_corners`, `teacher` and `confidence` is handed to it, as are the settings of its
    YAML file.

    frames (N, H, W, 3) uint8, red first; outputs: logits of the three stages; labels (N, H, W) uint8 train ids, with
    data.unlabelled also `UNLABELLED`; what takes a `teacher` is handed task.teacher and has to answer for such pixels.
    """

    def terms(self, frames: Tensor, outputs: CascadeLogits, labels: Tensor) -> dict[str, Tensor]:
        """Named scalars, all of which are logged as train/loss_NAME, and "total", which is minimised."""

    def validate(self, outputs: CascadeLogits, labels: Tensor) -> Tensor:
        """The loss by labels alone: comparable between runs, whatever else they minimise."""

    def to(self, device: torch.device) -> object:
        """Bring what it owns to the device of the network."""
