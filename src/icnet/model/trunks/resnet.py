"""The dilated ResNet (He et al., 2016) in two halves: head (stem to conv3_1) and tail (conv3_2 to conv5, dilated)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from icnet.model.layers import ConvBN, ConvBNReLU, channels_of
from icnet.model.preprocess import IMAGENET_MEAN, IMAGENET_STD
from icnet.model.trunk import Trunk


class Dilation(NamedTuple):
    """Stride of the first block and dilation of the 3x3 convolutions of conv2, conv3, conv4, conv5."""

    strides: tuple[int, int, int, int]
    dilations: tuple[int, int, int, int]


SEGMENTATION = Dilation((1, 2, 1, 1), (1, 1, 2, 4))  # dilated to stride 8, as in PSPNet and the paper
CLASSIFICATION = Dilation((1, 2, 2, 2), (1, 1, 1, 1))  # He et al.: stride 32; the weights have the same shapes


_CONVOLUTIONS = {"bottleneck": 3, "basic": 2}  # of a block


@dataclass(frozen=True)
class BlockSpec:
    """One residual block: output channels of each of its convolutions, and whether its shortcut has a 1x1 projection."""

    channels: tuple[int, ...]
    project: bool


@dataclass(frozen=True)
class ResNetSpec:
    """A ResNet as plain data.

    block: "bottleneck" (1x1, 3x3, 1x1) or "basic" (3x3, 3x3).
    stem: output channels of the stem's 3x3 convolutions; a single number stands for one 7x7 convolution.
    stages: the blocks of conv2, conv3, conv4, conv5.
    stride_on: which convolution of the first bottleneck of conv3 has the stride, "1x1" (authors) or "3x3" (torchvision).
    """

    mean: ClassVar = IMAGENET_MEAN
    std: ClassVar = IMAGENET_STD

    block: str
    stem: tuple[int, ...]
    stages: tuple[tuple[BlockSpec, ...], ...]
    stride_on: str = "1x1"

    def __post_init__(self) -> None:
        if self.block not in _CONVOLUTIONS:
            raise ValueError(f"block is {self.block!r}: choose 'bottleneck' or 'basic'")
        if self.stride_on not in ("1x1", "3x3"):
            raise ValueError(f"stride_on is {self.stride_on!r}: choose '1x1' (authors) or '3x3' (torchvision)")
        if len(self.stem) not in (1, 3) or len(self.stages) != 4 or not all(self.stages):
            raise ValueError("a ResNet has a stem of one or three convolutions and four stages of at least one block")
        if min(chain(self.stem, *(block.channels for stage in self.stages for block in stage))) < 1:
            raise ValueError("a convolution of the ResNet has no channel left: at least 1 each")
        for fault in self._faults():
            raise ValueError(fault)
        if self.block == "basic":  # where the stride has one place alone
            object.__setattr__(self, "stride_on", "1x1")

    def _faults(self) -> Iterator[str]:
        """What is added to a shortcut has the channels and the size of it."""
        before = self.stem[-1]
        for stage, blocks in enumerate(self.stages, start=2):
            for number, block in enumerate(blocks):
                place = f"block {number + 1} of conv{stage}"
                if len(block.channels) != _CONVOLUTIONS[self.block]:
                    yield f"{place} has {len(block.channels)} convolutions: a {self.block} has {_CONVOLUTIONS[self.block]}"
                if not block.project and block.channels[-1] != before:
                    yield f"{place} adds {block.channels[-1]} channels to the {before} that it reads: they must be equal"
                if stage > 2 and number == 0 and not block.project:
                    yield f"{place} halves the size, so its shortcut needs a projection"
                before = block.channels[-1]

    @property
    def base(self) -> int:
        """Channels of the first convolution of conv2: 64 x width."""
        return self.stages[0][0].channels[0]

    @property
    def out_channels(self) -> tuple[int, int]:
        """Channels of conv3_1 (what the head returns) and of conv5 (what the tail returns)."""
        return self.stages[1][0].channels[-1], self.stages[3][-1].channels[-1]

    def build(self, *, dilated: bool = True) -> ResNet:
        return ResNet(self, SEGMENTATION if dilated else CLASSIFICATION)

    def to_dict(self) -> dict[str, Any]:
        stages = [[{"channels": list(b.channels), "project": b.project} for b in stage] for stage in self.stages]
        return {"family": "resnet", **asdict(self), "stem": list(self.stem), "stages": stages}


def read_spec(plain: Mapping[str, Any]) -> ResNetSpec:
    """The inverse of `ResNetSpec.to_dict`."""
    stages = tuple(
        tuple(BlockSpec(tuple(b["channels"]), bool(b["project"])) for b in stage) for stage in plain["stages"]
    )
    return ResNetSpec(plain["block"], tuple(plain["stem"]), stages, plain["stride_on"])


def resnet18(width: float = 1.0, stem: str = "3x3", stride_on: str = "1x1") -> ResNetSpec:
    """ResNet-18 (basic blocks). See `resnet50` for the arguments; `stride_on` has no meaning in basic blocks."""
    return _resnet("basic", (2, 2, 2, 2), width, stem, stride_on)


def resnet34(width: float = 1.0, stem: str = "3x3", stride_on: str = "1x1") -> ResNetSpec:
    """ResNet-34 (basic blocks). See `resnet50` for the arguments; `stride_on` has no meaning in basic blocks."""
    return _resnet("basic", (3, 4, 6, 3), width, stem, stride_on)


def resnet50(width: float = 1.0, stem: str = "3x3", stride_on: str = "1x1") -> ResNetSpec:
    """ResNet-50, the trunk of the paper.

    width: multiple of all channel counts; 0.5 is the authors' deployed, compressed network.
    stem: "3x3" (the authors' three 3x3 convolutions), "v1c" (three of half their width: GluonCV, OpenMMLab) or "7x7" (He et
        al., torchvision).
    stride_on: "1x1" (authors) or "3x3" (published weights need this one).
    """
    return _resnet("bottleneck", (3, 4, 6, 3), width, stem, stride_on)


def resnet101(width: float = 1.0, stem: str = "3x3", stride_on: str = "1x1") -> ResNetSpec:
    """ResNet-101. See `resnet50` for the arguments."""
    return _resnet("bottleneck", (3, 4, 23, 3), width, stem, stride_on)


# Channels of the stem's convolutions, in those of the first one of conv2
_STEMS = {"3x3": (1, 1, 2), "v1c": (0.5, 0.5, 1), "7x7": (1,)}


def _resnet(block: str, depths: Sequence[int], width: float, stem: str, stride_on: str) -> ResNetSpec:
    if stem not in _STEMS:
        raise ValueError(f"stem is {stem!r}: choose '3x3' (authors), 'v1c' (OpenMMLab) or '7x7' (torchvision)")
    base = round(64 * width)
    if base < 1:
        raise ValueError(f"width is {width}: the narrowest convolution would have no channel left; 0.5 is the authors'")
    stem_channels = tuple(max(int(base * share), 1) for share in _STEMS[stem])
    stages, previous = [], stem_channels[-1]
    for stage, depth in enumerate(depths):
        inner = base * 2**stage
        channels = (inner, inner, 4 * inner) if block == "bottleneck" else (inner, inner)
        first = BlockSpec(channels, project=previous != channels[-1])
        stages.append((first, *[BlockSpec(channels, project=False)] * (depth - 1)))
        previous = channels[-1]
    return ResNetSpec(block, stem_channels, tuple(stages), stride_on)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut (He et al., 2016). (N, in, H, W) -> (N, channels[-1], H/stride, W/stride)."""

    def __init__(self, in_channels: int, spec: BlockSpec, stride: int, dilation: int, stride_on: str) -> None:
        super().__init__()
        reduce, inner, out = spec.channels
        first, second = (stride, 1) if stride_on == "1x1" else (1, stride)
        self.reduce = ConvBNReLU(in_channels, reduce, 1, first)
        self.conv = ConvBNReLU(reduce, inner, 3, second, dilation)
        self.increase = ConvBN(inner, out, 1)
        self.project = ConvBN(in_channels, out, 1, stride) if spec.project else nn.Identity()

    @property
    def layers(self) -> tuple[ConvBN, ...]:
        return self.reduce, self.conv, self.increase

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.increase(self.conv(self.reduce(x)))
        return F.relu(out + self.project(x), inplace=True)


class BasicBlock(nn.Module):
    """Two 3x3 with a shortcut (He et al., 2016). (N, in, H, W) -> (N, channels[-1], H/stride, W/stride)."""

    def __init__(self, in_channels: int, spec: BlockSpec, stride: int, dilation: int, stride_on: str) -> None:
        super().__init__()
        inner, out = spec.channels
        self.conv1 = ConvBNReLU(in_channels, inner, 3, stride, dilation)
        self.conv2 = ConvBN(inner, out, 3, 1, dilation)
        self.project = ConvBN(in_channels, out, 1, stride) if spec.project else nn.Identity()

    @property
    def layers(self) -> tuple[ConvBN, ...]:
        return self.conv1, self.conv2

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x))
        return F.relu(out + self.project(x), inplace=True)


class ResNet(Trunk):
    """The trunk of the paper, cut after conv3_1: the tail is conv3_2 to conv5, dilation 2 in conv4 and 4 in conv5."""

    def __init__(self, spec: ResNetSpec, dilation: Dilation = SEGMENTATION) -> None:
        super().__init__()
        conv2, conv3, conv4, conv5 = _stages(spec, dilation)
        self.stem = _stem(spec.stem)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2, self.conv3, self.conv4, self.conv5 = conv2, conv3, conv4, conv5

    def head(self, x: Tensor) -> Tensor:
        x = self.conv2(self.pool(self.stem(x)))
        return self.conv3[0](x)

    def tail(self, x: Tensor) -> Tensor:
        for block in list(self.conv3)[1:]:
            x = block(x)
        return self.conv5(self.conv4(x))

    def spec(self) -> ResNetSpec:
        stages = self._stages()
        first = stages[1][0]
        on_3x3 = isinstance(first, Bottleneck) and first.reduce.conv.stride == (1, 1)
        return ResNetSpec(
            "bottleneck" if isinstance(first, Bottleneck) else "basic",
            channels_of(self.stem),
            tuple(tuple(map(_describe, stage)) for stage in stages),
            "3x3" if on_3x3 else "1x1",
        )

    def init_weights(self) -> None:
        """Residual blocks start as the identity (Goyal et al. 2017, section 5.1)."""
        for block in chain(*self._stages()):
            nn.init.zeros_(block.layers[-1].bn.weight)

    def translate(self, names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Understood are torchvision's names, and those of three-convolution stems: stem.N; conv1.N; conv1, conv2, conv3."""
        bottleneck = any(name.startswith("layer1.0.conv3") for name in names)
        nested_stem = any(name.startswith("conv1.0.") for name in names)
        return {_translate(name, bottleneck, nested_stem): value for name, value in names.items()}

    def _stages(self) -> list[list[Bottleneck | BasicBlock]]:
        stages = (self.conv2, self.conv3, self.conv4, self.conv5)
        return [[block for block in stage if isinstance(block, Bottleneck | BasicBlock)] for stage in stages]


def _describe(block: Bottleneck | BasicBlock) -> BlockSpec:
    return BlockSpec(channels_of(block.layers), project=isinstance(block.project, ConvBN))


def _stem(channels: Sequence[int]) -> nn.Sequential:
    if len(channels) == 1:
        return nn.Sequential(ConvBNReLU(3, channels[0], 7, stride=2))
    first, second, third = channels
    return nn.Sequential(ConvBNReLU(3, first, 3, stride=2), ConvBNReLU(first, second, 3), ConvBNReLU(second, third, 3))


def _stages(spec: ResNetSpec, dilation: Dilation) -> list[nn.Sequential]:
    block_type = Bottleneck if spec.block == "bottleneck" else BasicBlock
    stages, in_channels = [], spec.stem[-1]
    for blocks, first_stride, spread in zip(spec.stages, dilation.strides, dilation.dilations, strict=True):
        stage = nn.Sequential()
        for number, block in enumerate(blocks):
            stride = first_stride if number == 0 else 1
            stage.append(block_type(in_channels, block, stride, spread, spec.stride_on))
            in_channels = block.channels[-1]
        stages.append(stage)
    return stages


_LEAF = r"(weight|bias|running_mean|running_var|num_batches_tracked)"


def _translate(name: str, bottleneck: bool, nested_stem: bool) -> str:
    """One name; `nested_stem`: the stem is conv1.0 to conv1.6 followed by bn1."""
    if match := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\." + _LEAF, name):
        stage, block, kind, number, leaf = match.groups()
        part = ("reduce", "conv", "increase")[int(number) - 1] if bottleneck else f"conv{number}"
        return f"conv{int(stage) + 1}.{block}.{part}.{kind}.{leaf}"
    if match := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\." + _LEAF, name):
        stage, block, number, leaf = match.groups()
        return f"conv{int(stage) + 1}.{block}.project.{('conv', 'bn')[int(number)]}.{leaf}"
    if match := re.fullmatch(r"(?:stem|conv1)\.(\d)\." + _LEAF, name):  # convolution, BN, ReLU, convolution, ...
        place, kind = divmod(int(match[1]), 3)
        return f"stem.{place}.{('conv', 'bn', 'relu')[kind]}.{match[2]}"
    if match := re.fullmatch(r"(conv|bn)([123])\." + _LEAF, name):
        place = 2 if nested_stem else int(match[2]) - 1
        return f"stem.{place}.{match[1]}.{match[3]}"
    return name
