"""ICNet: the image cascade network (Zhao et al., ECCV 2018, arXiv 1704.08545)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from icnet.model.cff import CascadeFeatureFusion
from icnet.model.layers import ConvBNReLU, Resize, channels_of, half, init_weights, size_of, stage_size
from icnet.model.ppm import PyramidPooling
from icnet.model.trunk import Trunk, TrunkSpec, read_spec

ARCHITECTURE_VERSION = 3
SMALLEST_INFERENCE = 32
SMALLEST_TRAINING = 64


class CascadeLogits(NamedTuple):
    """Logits of the three supervised stages: (N, classes, ., .) at ceil(H/16), ceil(H/8) and ceil(H/4) rows."""

    sub4: Tensor
    sub24: Tensor
    sub124: Tensor


STAGES = CascadeLogits._fields
WHOLE = STAGES[-1]


class ICNet(nn.Module):
    """A cascade of three branches over one image.

    The trunk reads the image at 1/2 scale up to conv3_1 (sub2, stride 16); its map, halved, feeds the rest of the trunk
    (sub4, stride 32); three convolutions read the full image (sub1, stride 8). Two CFF units join coarse to fine.

    backbone: `resnet50(width=0.5)` and its sisters, or any other TrunkSpec.
    num_classes: channels of the logits.
    fusion_channels: width of the CFF units, of both or of each; 4 x the backbone's base width by default (256 x width). The
        full-image branch follows with a quarter, a quarter and a half of it.
    align_corners: geometry of every resize; see `layers.Resize`.
    branch_channels, pooled_channels: for pruned networks only, where they do not follow from the rest.
    fusion: the kind of both units that join the branches; see `CascadeFeatureFusion`.
    """

    def __init__(
        self,
        backbone: TrunkSpec,
        num_classes: int,
        fusion_channels: int | tuple[int, int] | None = None,
        align_corners: bool = False,
        branch_channels: tuple[int, int, int] | None = None,
        pooled_channels: int | None = None,
        fusion: str = "cff",
    ) -> None:
        super().__init__()
        sub2, conv5 = backbone.out_channels
        wanted = 4 * backbone.base if fusion_channels is None else fusion_channels
        fused24, fused124 = (wanted, wanted) if isinstance(wanted, int) else wanted
        branch = branch_channels or (max(fused124 // 4, 1), max(fused124 // 4, 1), max(fused124 // 2, 1))
        pooled = max(conv5 // 4, 1) if pooled_channels is None else pooled_channels
        if min(fused24, fused124, num_classes, pooled, *branch) < 1:
            raise ValueError(
                f"fusion_channels is {wanted}, num_classes {num_classes}, branch_channels {branch}, pooled_channels "
                f"{pooled}: at least 1 each"
            )
        self.resize = Resize(align_corners)
        self.backbone = backbone.build()
        self.ppm = PyramidPooling(conv5, pooled, align_corners)
        self.branch = nn.Sequential(
            ConvBNReLU(3, branch[0], 3, stride=2),
            ConvBNReLU(branch[0], branch[1], 3, stride=2),
            ConvBNReLU(branch[1], branch[2], 3, stride=2),
        )
        self.cff24 = CascadeFeatureFusion(pooled, sub2, fused24, align_corners, fusion)
        self.cff124 = CascadeFeatureFusion(fused24, branch[2], fused124, align_corners, fusion)
        self.guide4 = nn.Conv2d(pooled, num_classes, 1)
        self.guide24 = nn.Conv2d(fused24, num_classes, 1)
        self.classifier = nn.Conv2d(fused124, num_classes, 1)
        init_weights(self)
        self.backbone.init_weights()
        for head in (self.guide4, self.guide24, self.classifier):
            nn.init.normal_(
                head.weight, std=0.01
            )  # no class is preferred at first: the loss starts at that of guessing

    @property
    def architecture(self) -> dict[str, Any]:
        """What a checkpoint carries and `from_spec` builds from: plain data, read from the modules as they are."""
        return {
            "version": ARCHITECTURE_VERSION,
            "backbone": self.backbone.spec().to_dict(),
            "num_classes": self.classifier.out_channels,
            "fusion_channels": [self.guide24.in_channels, self.classifier.in_channels],
            "align_corners": self.resize.align_corners,
            "branch_channels": list(channels_of(self.branch)),
            "pooled_channels": self.guide4.in_channels,
            "fusion": self.cff124.kind,
        }

    @classmethod
    def from_spec(cls, architecture: Mapping[str, Any]) -> ICNet:
        """Build the network that `net.architecture` describes; those that an older icnet wrote are brought up to date.

        ValueError: the description is newer than this icnet, or of no network.
        """
        plain = upgrade(architecture)
        first, second, third = plain["branch_channels"]
        fused24, fused124 = plain["fusion_channels"]
        return cls(
            read_spec(plain["backbone"]),
            plain["num_classes"],
            (fused24, fused124),
            plain["align_corners"],
            (first, second, third),
            plain["pooled_channels"],
            plain["fusion"],
        )

    @classmethod
    def from_pretrained(cls, place: str | Path, revision: str | None = None) -> ICNet:
        """The network of a folder in the hub's layout, or of a repository "OWNER/NAME" of the hub, in eval mode, on the CPU.

        revision: a branch, tag or commit of the repository. WeightsError where it cannot be had or is broken.
        """
        above = importlib.import_module(
            "icnet.weights.checkpoint"
        )  # by its name: what reads files stands on the network
        net: ICNet = above.load_pretrained(place, revision)
        return net

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images, at least 32x32 -> (N, classes, H, W) logits of the last stage."""
        return self.resize(self.coarse(images), size_of(images))

    def coarse(self, images: Tensor) -> Tensor:
        """The logits of `forward` before they are enlarged, at stride 4."""
        sub2, sub4 = self.trunk(images)
        sub124 = self.cff124(self.cff24(sub4, sub2), self.branch(images))
        return classify(images, self.classifier, sub124, 4, self.resize)

    def cascade(self, images: Tensor) -> CascadeLogits:
        """(N, 3, H, W) normalised images -> the three supervised stages (paper, section 3.4 "Cascade Label Guidance")."""
        self._check_training_size(images)
        sub2, sub4 = self.trunk(images)
        sub24 = self.cff24(sub4, sub2)
        sub124 = self.cff124(sub24, self.branch(images))
        return CascadeLogits(
            classify(images, self.guide4, sub4, 16, self.resize),
            classify(images, self.guide24, sub24, 8, self.resize),
            classify(images, self.classifier, sub124, 4, self.resize),
        )

    def exit_at(self, stage: str) -> Exit:
        """The smaller network that ends at "sub4", "sub24" or "sub124": images in, full-size logits out. Shares weights."""
        if stage not in STAGES:
            raise ValueError(f"there is no exit {stage!r}: choose from {', '.join(STAGES)}")
        return Exit(self, stage)

    def trunk(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images -> features of the half branch (stride 16) and of the quarter branch (stride 32, pooled)."""
        return run_trunk(images, self.backbone, self.ppm, self.resize)

    def _check_training_size(self, images: Tensor) -> None:
        """The deepest map has a 32nd of the size: a single 1x1 map leaves BN nothing to average."""
        if self.training and images.shape[0] == 1 and min(size_of(images)) < SMALLEST_TRAINING:
            height, width = size_of(images)
            raise ValueError(f"images are {height}x{width}: with batch 1 training needs at least 64x64")


class Exit(nn.Module):
    """The part of an ICNet that its exit at "sub4", "sub24" or "sub124" needs; the parts are shared, not copied."""

    def __init__(self, net: ICNet, stage: str) -> None:
        super().__init__()
        self.resize, self.backbone, self.ppm = net.resize, net.backbone, net.ppm
        self.cff24 = None if stage == "sub4" else net.cff24
        self.branch = net.branch if stage == WHOLE else None
        self.cff124 = net.cff124 if stage == WHOLE else None
        self.head = {"sub4": net.guide4, "sub24": net.guide24, WHOLE: net.classifier}[stage]

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images -> (N, classes, H, W) logits of this stage."""
        return self.resize(self.coarse(images), size_of(images))

    def coarse(self, images: Tensor) -> Tensor:
        """The logits of `forward` before they are enlarged, at stride 16, 8 or 4."""
        return self.fuse(images, *run_trunk(images, self.backbone, self.ppm, self.resize))

    def fuse(self, images: Tensor, sub2: Tensor, sub4: Tensor) -> Tensor:
        """What follows the trunk, as far as this stage needs it."""
        if self.cff24 is None:
            return classify(images, self.head, sub4, 16, self.resize)
        sub24 = self.cff24(sub4, sub2)
        if self.cff124 is None or self.branch is None:
            return classify(images, self.head, sub24, 8, self.resize)
        return classify(images, self.head, self.cff124(sub24, self.branch(images)), 4, self.resize)


def run_trunk(images: Tensor, backbone: Trunk, ppm: PyramidPooling, resize: Resize) -> tuple[Tensor, Tensor]:
    """Images -> features of the half branch (stride 16) and of the quarter branch (stride 32, pooled)."""
    sub2 = run_half(images, backbone, resize)
    return sub2, run_quarter(sub2, backbone, ppm, resize)


def run_half(images: Tensor, backbone: Trunk, resize: Resize) -> Tensor:
    """Images -> features of the half branch."""
    size = size_of(images)
    if min(size) < SMALLEST_INFERENCE:
        raise ValueError(f"images are {size[0]}x{size[1]}: ICNet needs at least 32x32")
    return backbone.head(resize(images, half(size)))


def run_quarter(sub2: Tensor, backbone: Trunk, ppm: PyramidPooling, resize: Resize) -> Tensor:
    """Features of the half branch -> those of the quarter branch, pooled."""
    pooled: Tensor = ppm(backbone.tail(resize(sub2, half(size_of(sub2)))))
    return pooled


def classify(images: Tensor, head: nn.Conv2d, features: Tensor, stride: int, resize: Resize) -> Tensor:
    """Features at twice the stride of a stage -> its logits at ceil(H / stride).

    The 1x1 classifier runs before the x2 resize instead of after it, with which it commutes exactly: a quarter of its
    multiplications.
    """
    return resize(head(features), stage_size(images, stride))


def upgrade(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """A description in today's version. ValueError where it has another one that is not known."""
    plain = dict(architecture)
    while (older := _UPGRADES.get(plain.get("version", 0))) is not None:
        plain = older(plain)
    if plain.get("version") != ARCHITECTURE_VERSION:
        raise ValueError(
            f"the architecture has version {plain.get('version')}; this icnet reads up to version {ARCHITECTURE_VERSION}"
        )
    return plain


def _to_2(plain: dict[str, Any]) -> dict[str, Any]:
    """Trunks get families, fusion units a width each."""
    fused = plain["fusion_channels"]
    return {
        **plain,
        "version": 2,
        "backbone": {"family": "resnet", **plain["backbone"]},
        "fusion_channels": [fused, fused],
    }


def _to_3(plain: dict[str, Any]) -> dict[str, Any]:
    """Other units may join the branches."""
    return {**plain, "version": 3, "fusion": "cff"}


_UPGRADES = {1: _to_2, 2: _to_3}  # from a version to the next
