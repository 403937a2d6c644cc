"""Pyramid pooling (Zhao et al., CVPR 2017), summed instead of concatenated, as in the authors' ICNet."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from icnet.model.layers import ConvBNReLU, Resize, size_of

BINS = (1, 2, 3, 6)


class PyramidPooling(nn.Module):
    """Add to each pixel the averages over 1x1, 2x2, 3x3 and 6x6 regions of the map, then reduce the channels.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H, W). The 1x1 convolution is conv5_4_k1 of the authors.
    """

    def __init__(self, in_channels: int, out_channels: int, align_corners: bool = False) -> None:
        super().__init__()
        self.resize = Resize(align_corners)
        self.project = ConvBNReLU(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        size, total = size_of(x), x
        for bins in BINS:
            total = total + self.resize(pool_bins(x, bins), size)
        return self.project(total)


def pool_bins(x: Tensor, bins: int) -> Tensor:
    """Average (N, C, H, W) over bins x bins overlapping regions with the authors' kernels; below 6 rows or columns
    adaptively."""
    height, width = size_of(x)
    if min(height, width) < max(BINS):
        return F.adaptive_avg_pool2d(x, bins)
    stride = pool_stride(height, bins), pool_stride(width, bins)
    kernel = height - (bins - 1) * stride[0], width - (bins - 1) * stride[1]
    return F.avg_pool2d(x, kernel, stride)


def pool_stride(length: int, bins: int) -> int:
    """The authors' stride over `length` rows or columns: at 33 rows 33, 16, 10, 5 (kernels 33, 17, 13, 8)."""
    return {1: length, 2: length // 2, 3: 2 * (length // 6), 6: length // 6}[bins]
