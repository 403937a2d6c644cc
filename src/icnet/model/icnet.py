"""ICNet: the image cascade network (Zhao et al., ECCV 2018, arXiv 1704.08545)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from icnet.model.cff import CascadeFeatureFusion
from icnet.model.layers import ConvBNReLU, Resize, half, size_of, stage_size
from icnet.model.ppm import PyramidPooling
from icnet.model.trunks.resnet import Backbone, BackboneSpec, BasicBlock, Bottleneck

ARCHITECTURE_VERSION = 1
SMALLEST_INFERENCE = 32
SMALLEST_TRAINING = 64


class CascadeLogits(NamedTuple):
    """Logits of the three supervised stages: (N, classes, ., .) at ceil(H/16), ceil(H/8) and ceil(H/4) rows."""

    sub4: Tensor
    sub24: Tensor
    sub124: Tensor


class ICNet(nn.Module):
    """A cascade of three branches over one image.

    The trunk reads the image at 1/2 scale up to conv3_1 (sub2, stride 16); its map, halved, feeds the rest of the trunk
    (sub4, stride 32); three convolutions read the full image (sub1, stride 8). Two CFF units join coarse to fine.

    backbone: `resnet50(width=0.5)` and its sisters, or any BackboneSpec.
    num_classes: channels of the logits.
    fusion_channels: width of the CFF units; 4 x the backbone's base width by default (256 x width). The full-image
        branch follows with a quarter, a quarter and a half of it.
    align_corners: geometry of every resize; see `layers.Resize`.
    branch_channels, pooled_channels: for pruned networks only, where they do not follow from the rest.
    """

    def __init__(
        self,
        backbone: BackboneSpec,
        num_classes: int,
        fusion_channels: int | None = None,
        align_corners: bool = False,
        branch_channels: tuple[int, int, int] | None = None,
        pooled_channels: int | None = None,
    ) -> None:
        super().__init__()
        sub2, conv5 = backbone.out_channels
        fused = 4 * backbone.base if fusion_channels is None else fusion_channels
        if fused < 1 or num_classes < 1:
            raise ValueError(f"fusion_channels is {fused}, num_classes {num_classes}: at least 1 each")
        branch = branch_channels or (max(fused // 4, 1), max(fused // 4, 1), max(fused // 2, 1))
        pooled = pooled_channels or max(conv5 // 4, 1)
        self.architecture: dict[str, Any] = {
            "version": ARCHITECTURE_VERSION,
            "backbone": backbone.to_dict(),
            "num_classes": num_classes,
            "fusion_channels": fused,
            "align_corners": align_corners,
            "branch_channels": list(branch),
            "pooled_channels": pooled,
        }
        self.num_classes = num_classes
        self.resize = Resize(align_corners)
        self.backbone = Backbone(backbone)
        self.ppm = PyramidPooling(conv5, pooled, align_corners)
        self.branch = nn.Sequential(
            ConvBNReLU(3, branch[0], 3, stride=2),
            ConvBNReLU(branch[0], branch[1], 3, stride=2),
            ConvBNReLU(branch[1], branch[2], 3, stride=2),
        )
        self.cff24 = CascadeFeatureFusion(pooled, sub2, fused, align_corners)
        self.cff124 = CascadeFeatureFusion(fused, branch[2], fused, align_corners)
        self.guide4 = nn.Conv2d(pooled, num_classes, 1)
        self.guide24 = nn.Conv2d(fused, num_classes, 1)
        self.classifier = nn.Conv2d(fused, num_classes, 1)
        init_weights(self)
        for head in (self.guide4, self.guide24, self.classifier):
            nn.init.normal_(
                head.weight, std=0.01
            )  # no class is preferred at first: the loss starts at that of guessing

    @classmethod
    def from_spec(cls, architecture: Mapping[str, Any]) -> ICNet:
        """Build the network that `net.architecture` describes (what a checkpoint carries)."""
        version = architecture.get("version")
        if version != ARCHITECTURE_VERSION:
            raise ValueError(f"the architecture has version {version}; this icnet reads version {ARCHITECTURE_VERSION}")
        first, second, third = architecture["branch_channels"]
        return cls(
            BackboneSpec.from_dict(architecture["backbone"]),
            architecture["num_classes"],
            architecture["fusion_channels"],
            architecture["align_corners"],
            (first, second, third),
            architecture["pooled_channels"],
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images, at least 32x32 -> (N, classes, H, W) logits of the last stage."""
        return self.enlarge(self.coarse(images), size_of(images))

    def coarse(self, images: Tensor) -> Tensor:
        """The logits of `forward` before they are enlarged, at stride 4."""
        sub2, sub4 = self.trunk(images)
        return self.classify(self.cff24(sub4, sub2), images)

    def cascade(self, images: Tensor) -> CascadeLogits:
        """(N, 3, H, W) normalised images -> the three supervised stages (paper, section 3.4 "Cascade Label Guidance")."""
        self._check_training_size(images)
        sub2, sub4 = self.trunk(images)
        sub24 = self.cff24(sub4, sub2)
        return CascadeLogits(self.guidance4(sub4, images), self.guidance24(sub24, images), self.classify(sub24, images))

    def exit_at(self, stage: str) -> nn.Module:
        """The smaller network that ends at "sub4", "sub24" or "sub124": images in, full-size logits out. Shares weights."""
        if stage not in CascadeLogits._fields:
            raise ValueError(f"there is no exit {stage!r}: choose from {', '.join(CascadeLogits._fields)}")
        return self if stage == "sub124" else EarlyExit(self, stage)

    def trunk(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images -> features of the half branch (stride 16) and of the quarter branch (stride 32, pooled)."""
        return run_trunk(images, self.backbone, self.ppm, self.resize)

    def classify(self, sub24: Tensor, images: Tensor) -> Tensor:
        """Fuse the full-image branch and classify: logits at ceil(H/4).

        The 1x1 classifier runs before the x2 resize instead of after it, with which it commutes exactly: a quarter of
        its multiplications.
        """
        sub124 = self.cff124(sub24, self.branch(images))
        return self.resize(self.classifier(sub124), stage_size(images, 4))

    def guidance4(self, sub4: Tensor, images: Tensor) -> Tensor:
        """Logits of the quarter branch at ceil(H/16); its 1x1 head, too, runs before the resize."""
        return self.resize(self.guide4(sub4), stage_size(images, 16))

    def guidance24(self, sub24: Tensor, images: Tensor) -> Tensor:
        """Logits of the half branch at ceil(H/8)."""
        return self.resize(self.guide24(sub24), stage_size(images, 8))

    def enlarge(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Logits of any stage -> logits of the image's own size."""
        return self.resize(logits, size)

    def _check_training_size(self, images: Tensor) -> None:
        """The deepest map has a 32nd of the size: a single 1x1 map leaves BN nothing to average."""
        if self.training and images.shape[0] == 1 and min(size_of(images)) < SMALLEST_TRAINING:
            height, width = size_of(images)
            raise ValueError(f"images are {height}x{width}: with batch 1 training needs at least 64x64")


class EarlyExit(nn.Module):
    """The part of an ICNet that its exit at "sub4" or "sub24" needs; the parts are shared, not copied."""

    def __init__(self, net: ICNet, stage: str) -> None:
        super().__init__()
        self.resize, self.backbone, self.ppm = net.resize, net.backbone, net.ppm
        self.cff24 = net.cff24 if stage == "sub24" else None
        self.head = net.guide24 if stage == "sub24" else net.guide4

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images -> (N, classes, H, W) logits of this stage."""
        return self.resize(self.coarse(images), size_of(images))

    def coarse(self, images: Tensor) -> Tensor:
        """The logits of `forward` before they are enlarged, at stride 16 or 8."""
        sub2, sub4 = run_trunk(images, self.backbone, self.ppm, self.resize)
        features, stride = (sub4, 16) if self.cff24 is None else (self.cff24(sub4, sub2), 8)
        return self.resize(self.head(features), stage_size(images, stride))


def run_trunk(images: Tensor, backbone: Backbone, ppm: PyramidPooling, resize: Resize) -> tuple[Tensor, Tensor]:
    """Images -> features of the half branch (stride 16) and of the quarter branch (stride 32, pooled)."""
    size = size_of(images)
    if min(size) < SMALLEST_INFERENCE:
        raise ValueError(f"images are {size[0]}x{size[1]}: ICNet needs at least 32x32")
    sub2 = backbone.head(resize(images, half(size)))
    sub4 = backbone.tail(resize(sub2, half(size_of(sub2))))
    return sub2, ppm(sub4)


def init_weights(net: nn.Module) -> None:
    """He et al. 2015 for convolutions (fan out); residual blocks start as the identity (Goyal et al. 2017, section 5.1)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Bottleneck):
            nn.init.zeros_(module.increase.bn.weight)
        elif isinstance(module, BasicBlock):
            nn.init.zeros_(module.conv2.bn.weight)
