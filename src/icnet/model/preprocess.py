"""From the pixels of a decoded frame to what the network reads; runs on the device, part of every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# ImageNet's statistics on the scale 0..1, red first: what torchvision's weights were trained with
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WHOLE_DEPTH = 16  # bits of an image of more than 8


class Normalize(nn.Module):
    """(N, H, W, 3) uint8, red first -> (N, 3, H, W) float32 of about zero mean and unit variance.

    mean, std: of the channels red, green, blue, on the scale 0..1. ValueError or TypeError where they are not three numbers.
    channels_last: memory layout of the result; the frames come that way, so True costs nothing.
    bit_depth: how many bits the 16-bit images used that the frames come from; of these a frame has the highest 8.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        channels_last: bool = True,
        bit_depth: int = WHOLE_DEPTH,
    ) -> None:
        super().__init__()
        self.channels_last, self.bit_depth = channels_last, bit_depth
        self._given: dict[str, Any] = {"mean": list(mean), "std": list(std)}
        for name, values in self._given.items():
            statistics = torch.tensor(values, dtype=torch.float32)
            if (
                statistics.shape != (3,)
                or not statistics.isfinite().all()
                or (name == "std" and not (statistics > 0).all())
            ):
                raise ValueError(f"{name} is {values}: three numbers, those of std above 0")
            self.register_buffer(name, 255 * statistics, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        images = ((frames.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        return images if self.channels_last else images.contiguous()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as they were given, so that what a checkpoint stores makes the same again."""
        return self._given | ({} if self.bit_depth == WHOLE_DEPTH else {"bit_depth": self.bit_depth})
