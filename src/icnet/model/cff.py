"""Cascade feature fusion: the unit that joins a coarse branch with the next finer one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from icnet.model.layers import ConvBN, Resize, size_of


class CascadeFeatureFusion(nn.Module):
    """Fuse coarse features into features of twice their resolution (paper, section 3.3 "Cascade Feature Fusion").

    Shapes:
        coarse:  (N, coarse_channels, H, W), the deeper branch
        fine:    (N, fine_channels, 2H, 2W), the next finer branch
        returns: (N, out_channels, 2H, 2W)
    """

    def __init__(
        self, coarse_channels: int, fine_channels: int, out_channels: int, align_corners: bool = False
    ) -> None:
        super().__init__()
        self.resize = Resize(align_corners)
        self.project_coarse = ConvBN(coarse_channels, out_channels, 3, dilation=2)
        self.project_fine = ConvBN(fine_channels, out_channels, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        coarse = self.resize(coarse, size_of(fine))
        total: Tensor = self.project_coarse(coarse) + self.project_fine(fine)
        return F.relu(total, inplace=True)
