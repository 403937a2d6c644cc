"""The network as a program of its own: uint8 frames in, label maps or scores out, with nothing left to do around it."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as fx_config  # private: _config (torch 2.13)
from torch.nn.utils.fusion import fuse_conv_bn_eval

from icnet.model.icnet import Exit, ICNet
from icnet.model.label_map import dense_map, sparse_map
from icnet.model.layers import ConvBN, DeconvBN, Resize, size_of
from icnet.model.ppm import BINS, PyramidPooling, pool_stride
from icnet.model.preprocess import Normalize

SMALLEST_TRACED = 33  # torch.export takes 32 for a special case: 2x2 maps


class FrameProgram(nn.Module):
    """One exit of a network: frames (N, H, W, 3) uint8, red first -> label maps (N, H, W) uint8.

    logits: scores (N, classes, H, W) float32 in their place.

    It gives what the network gives in eval mode. Batch norm is folded, and the scale of the normalisation; the mean is
    subtracted, before the convolutions pad. Pooling and resizing have no branch on sizes.

    sparse: only mixed cells are interpolated, whose number no engine knows beforehand.
    dtype: of weights and convolutions.
    """

    mean: Tensor

    def __init__(
        self,
        net: ICNet,
        exit: str,
        normalize: Normalize,
        logits: bool = False,
        sparse: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.net = _fold(copy.deepcopy(net.exit_at(exit)).eval(), normalize.std).to(dtype)
        self.logits, self.sparse, self.dtype = logits, sparse, dtype
        self.register_buffer("mean", normalize.mean.view(3, 1, 1).clone())
        self.requires_grad_(False)

    def forward(self, frames: Tensor) -> Tensor:
        images = frames.permute(0, 3, 1, 2).float() - self.mean
        coarse = self.net.coarse(images.to(self.dtype)).float()
        size = frames.shape[1], frames.shape[2]
        if self.logits:
            return self.net.resize(coarse, size)
        return (sparse_map if self.sparse else dense_map)(coarse, size, self.net.resize)


class _AnyResize(Resize):
    """Without the shortcut for equal sizes."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size, mode="bilinear", align_corners=self.align_corners)


class _MatrixPooling(nn.Module):
    """PyramidPooling as products with matrices that are made of the size: averages over bins, enlarged again."""

    def __init__(self, pooling: PyramidPooling) -> None:
        super().__init__()
        self.project, self.align_corners = pooling.project, pooling.resize.align_corners

    def forward(self, x: Tensor) -> Tensor:
        height, width = size_of(x)
        adaptive = (torch.full((), height) < max(BINS)) | (torch.full((), width) < max(BINS))
        total = x
        for bins in BINS:
            rows, columns = (self._average(n, bins, adaptive).to(x.dtype) for n in (height, width))
            total = total + rows @ x @ columns.T
        return self.project(total)

    def _average(self, length: int, bins: int, adaptive: Tensor) -> Tensor:
        """(length, length): each row or column as a mixture of all; see `icnet.model.ppm.pool_bins`."""
        i = torch.arange(bins)
        stride = pool_stride(length, bins)
        first = torch.where(adaptive, i * length // bins, i * stride)
        last = torch.where(adaptive, ((i + 1) * length + bins - 1) // bins, i * stride + length - (bins - 1) * stride)
        place = torch.arange(length)
        inside = (place >= first[:, None]) & (place < last[:, None])
        averages = inside.float() / (last - first)[:, None]
        units = torch.eye(bins)[None, None]  # in two dimensions, for which exporters have one operation
        enlarge = F.interpolate(units, (length, bins), mode="bilinear", align_corners=self.align_corners)[0, 0]
        return enlarge @ averages


def _fold(net: Exit, std: Tensor) -> Exit:
    """Batch norm into convolutions, the scale of the normalisation into those that read the image; see `FrameProgram`."""
    for module in list(net.modules()):
        if isinstance(module, ConvBN | DeconvBN):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn, transpose=isinstance(module, DeconvBN))
            module.bn = nn.Identity()  # type: ignore[assignment]
        for name, child in module.named_children():
            if isinstance(child, PyramidPooling):
                setattr(module, name, _MatrixPooling(child))
            elif isinstance(child, Resize):
                setattr(module, name, _AnyResize(child.align_corners))
    for part in (net.backbone, net.branch):
        if part is not None:
            first = next(m for m in part.modules() if isinstance(m, nn.Conv2d))
            first.weight.data /= std.view(3, 1, 1)
    return net


def trace(program: FrameProgram, size: tuple[int, int] | None) -> ExportedProgram:
    """The program for any number of frames of one size, or of any size of at least 33x33."""
    height, width = size or (97, 161)
    free = {0: Dim("batch", min=1)}
    if size is None:
        free |= {1: Dim("height", min=SMALLEST_TRACED), 2: Dim("width", min=SMALLEST_TRACED)}
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    with torch.no_grad(), fx_config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return torch.export.export(
            program, (example,), dynamic_shapes=(free,), prefer_deferred_runtime_asserts_over_guards=True
        )
