"""From the pixels of a decoded frame to what the network reads; runs on the device, part of every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# ImageNet's statistics on the scale 0..1, red first: what torchvision's weights were trained with
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalize(nn.Module):
    """(N, H, W, 3) uint8, red first -> (N, 3, H, W) float32 of about zero mean and unit variance.

    mean, std: of the channels red, green, blue, on the scale 0..1.
    channels_last: memory layout of the result; the frames come that way, so True costs nothing.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.register_buffer("mean", 255 * torch.tensor(list(mean)), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(list(std)), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        images = ((frames.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        return images if self.channels_last else images.contiguous()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as stored in a checkpoint."""
        return {
            "mean": [round(v, 6) for v in (self.mean / 255).tolist()],
            "std": [round(v, 6) for v in (self.std / 255).tolist()],
        }
