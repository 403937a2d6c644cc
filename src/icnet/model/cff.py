"""Cascade feature fusion: the unit that joins a coarse branch with the next finer one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from icnet.model.layers import ConvBN, DeconvBN, Resize, size_of

FUSIONS = ("cff", "deconv3", "deconv5", "deconv7", "bilinear")


class CascadeFeatureFusion(nn.Module):
    """Fuse coarse features into features of twice their resolution (paper, section 3.3 "Cascade Feature Fusion").

    Shapes:
        coarse:  (N, coarse_channels, H, W), the deeper branch
        fine:    (N, fine_channels, 2H, 2W), the next finer branch
        returns: (N, out_channels, 2H, 2W)

    kind: "cff", or what the paper compares it with: "deconv3" (5, 7), where a transposed convolution with that kernel
        stands for the resizing and the dilated convolution; "bilinear", where a 1x1 convolution stands for the latter.
    """

    def __init__(
        self,
        coarse_channels: int,
        fine_channels: int,
        out_channels: int,
        align_corners: bool = False,
        kind: str = "cff",
    ) -> None:
        super().__init__()
        self.kind = kind
        self.resize = Resize(align_corners)
        self.project_coarse = _project(kind, coarse_channels, out_channels)
        self.project_fine = ConvBN(fine_channels, out_channels, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        total: Tensor = self._enlarge(coarse, size_of(fine)) + self.project_fine(fine)
        return F.relu(total, inplace=True)

    def _enlarge(self, coarse: Tensor, size: tuple[int, int]) -> Tensor:
        if isinstance(self.project_coarse, DeconvBN):
            height, width = size  # an odd one is one less than twice its half
            return self.project_coarse(coarse)[..., :height, :width]
        return self.project_coarse(self.resize(coarse, size))


def _project(kind: str, in_channels: int, out_channels: int) -> ConvBN | DeconvBN:
    if kind not in FUSIONS:
        raise ValueError(f"fusion is {kind!r}: choose one of {', '.join(FUSIONS)}")
    if kind.startswith("deconv"):
        return DeconvBN(in_channels, out_channels, int(kind.removeprefix("deconv")))
    return (
        ConvBN(in_channels, out_channels, 1) if kind == "bilinear" else ConvBN(in_channels, out_channels, 3, dilation=2)
    )
