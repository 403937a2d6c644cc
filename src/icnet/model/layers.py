"""Convolution blocks, and the geometry of the cascade: the one place that knows `align_corners`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """Convolution without bias, then batch normalisation. (N, in, H, W) -> (N, out, ceil(H/stride), ceil(W/stride))."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        padding = dilation * (kernel_size // 2)
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)


class ConvBNReLU(ConvBN):
    """ConvBN followed by ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation)
        self.relu = nn.ReLU(inplace=True)


class DeconvBN(nn.Sequential):
    """Transposed convolution without bias, then batch normalisation. (N, in, H, W) -> (N, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            in_channels, out_channels, kernel_size, 2, kernel_size // 2, output_padding=1, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)


def channels_of(layers: Iterable[nn.Module]) -> tuple[int, ...]:
    """Output channels of each ConvBN among these layers."""
    return tuple(layer.conv.out_channels for layer in layers if isinstance(layer, ConvBN))


class Resize(nn.Module):
    """Bilinear resizing of (N, C, H, W) to (height, width).

    align_corners False: pixel areas are aligned (torch's default). True: the centres of the corner pixels are, as the
    authors do; their sizes are 32k+1.
    """

    def __init__(self, align_corners: bool = False) -> None:
        super().__init__()
        self.align_corners = align_corners

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        if x.shape[-2:] == size:
            return x
        return F.interpolate(x, size, mode="bilinear", align_corners=self.align_corners)

    def extra_repr(self) -> str:
        return f"align_corners={self.align_corners}"


def half(size: tuple[int, int]) -> tuple[int, int]:
    """Half of (height, width), rounded up: 1025 becomes 513 as with the authors, 1024 becomes 512."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def size_of(x: Tensor) -> tuple[int, int]:
    """(height, width) of the last two dimensions."""
    return x.shape[-2], x.shape[-1]


def stage_size(images: Tensor, stride: int) -> tuple[int, int]:
    """(ceil(H / stride), ceil(W / stride)) for images (N, 3, H, W): the size of the stage at this stride."""
    height, width = size_of(images)
    return (height + stride - 1) // stride, (width + stride - 1) // stride  # -(-h // s) is truncated in exported graphs


def sample_labels(labels: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Pick from labels (N, H, W) the ones that the pixels of a stage of `size` stand for; never a blend.

    align_corners False: pixel i of a stage at stride s stands for row floor((i + 0.5) * s), the place where the final
    resize puts it. True: row round(i * (H - 1) / (h - 1)). Columns likewise.
    """
    rows = _sampled(labels.shape[-2], size[0], align_corners, labels.device)
    columns = _sampled(labels.shape[-1], size[1], align_corners, labels.device)
    return labels[:, rows[:, None], columns[None, :]]


def _sampled(length: int, count: int, align_corners: bool, device: torch.device) -> Tensor:
    """Whole-number arithmetic: a float would round some of the centres to the wrong side."""
    i = torch.arange(count, device=device)
    if not align_corners:
        return ((2 * i + 1) * length) // (2 * count)
    gaps = max(count - 1, 1)
    return (2 * i * (length - 1) + gaps) // (2 * gaps)


def init_weights(net: nn.Module) -> None:
    """He et al. 2015 for convolutions (fan out)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
