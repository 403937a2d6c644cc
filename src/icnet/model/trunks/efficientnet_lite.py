"""EfficientNet-Lite (Tan and Le, 2019, without squeeze-excite, with ReLU6) in two halves: stages 1 to 3, and 4 to 7."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from icnet.model.layers import ConvBN, size_of
from icnet.model.trunk import Trunk

_LITE0 = ((3, 1, 16), (3, 2, 24), (5, 2, 40), (3, 3, 80), (5, 3, 112), (5, 4, 192), (3, 1, 320))
_STEM = 32  # channels, in all of the family; the number of blocks of the first and the last stage is the same, too
_EXPANSION = 6
_EPS, _MOMENTUM = 1e-3, 0.01  # TensorFlow's batch norm: 0.99 of the old statistics is kept


class Placing(NamedTuple):
    """Stride of a stage's first block; dilation of the depthwise convolution of the first and of the other blocks."""

    stride: int
    first: int
    others: int


_SAME, _HALVED = Placing(1, 1, 1), Placing(2, 1, 1)
CLASSIFICATION = (_SAME, _HALVED, _HALVED, _HALVED, _SAME, _HALVED, _SAME)
# What the fourth stage would halve, the cascade halves before it; from the sixth on dilation stands for the stride
SEGMENTATION = (_SAME, _HALVED, _HALVED, _SAME, _SAME, Placing(1, 1, 2), Placing(1, 2, 2))
_SHARED = 3  # stages of the head


@dataclass(frozen=True)
class BlockSpec:
    """One inverted residual: kernel and channels of its depthwise convolution, channels that it gives, and whether a 1x1
    comes before the depthwise convolution."""

    kernel: int
    inner: int
    out: int
    expand: bool


@dataclass(frozen=True)
class EfficientNetLiteSpec:
    """An EfficientNet-Lite as plain data: channels of the stem and the blocks of the seven stages."""

    mean: ClassVar = (127 / 255,) * 3  # (pixel - 127) / 128
    std: ClassVar = (128 / 255,) * 3

    stem: int
    stages: tuple[tuple[BlockSpec, ...], ...]

    def __post_init__(self) -> None:
        if len(self.stages) != len(_LITE0) or not all(self.stages):
            raise ValueError("an EfficientNet-Lite has seven stages of at least one block")
        for fault in self._faults():
            raise ValueError(fault)

    def _faults(self) -> Iterator[str]:
        """What is added to a shortcut has the channels of it; without a 1x1 a depthwise convolution has those it reads."""
        before = self.stem
        for stage, blocks in enumerate(self.stages, start=1):
            for number, block in enumerate(blocks):
                place = f"block {number + 1} of stage {stage}"
                if min(before, block.inner, block.out) < 1:
                    yield f"{place} has no channel left: at least 1 each"
                if block.kernel % 2 == 0:
                    yield f"{place} has a kernel of {block.kernel}: an odd number"
                if not block.expand and block.inner != before:
                    yield f"{place} reads {before} channels and has {block.inner} without a 1x1: they must be equal"
                if number > 0 and block.out != before:
                    yield f"{place} adds {block.out} channels to the {before} that it reads: they must be equal"
                before = block.out

    @property
    def base(self) -> int:
        return self.stem

    @property
    def out_channels(self) -> tuple[int, int]:
        return self.stages[_SHARED - 1][-1].out, self.stages[-1][-1].out

    def build(self, *, dilated: bool = True) -> EfficientNetLite:
        return EfficientNetLite(self, SEGMENTATION if dilated else CLASSIFICATION)

    def to_dict(self) -> dict[str, Any]:
        stages = [[asdict(block) for block in stage] for stage in self.stages]
        return {"family": "efficientnet_lite", "stem": self.stem, "stages": stages}


def read_spec(plain: Mapping[str, Any]) -> EfficientNetLiteSpec:
    """The inverse of `EfficientNetLiteSpec.to_dict`."""
    stages = tuple(tuple(BlockSpec(**block) for block in stage) for stage in plain["stages"])
    return EfficientNetLiteSpec(plain["stem"], stages)


def efficientnet_lite(width: float = 1.0, depth: float = 1.0) -> EfficientNetLiteSpec:
    """width, depth: multiples of the channels and of the blocks of Lite0; Lite1 has 1.0 and 1.1, Lite2 1.1 and 1.2."""
    if width <= 0 or depth <= 0:
        raise ValueError(f"width is {width}, depth {depth}: give numbers above 0, 1.0 and 1.0 for Lite0")
    stages, before = [], _STEM
    for number, (kernel, blocks, channels) in enumerate(_LITE0):
        is_end = number in (0, len(_LITE0) - 1)
        out, stage = _round(width * channels), []
        for _ in range(blocks if is_end else math.ceil(depth * blocks)):
            stage.append(BlockSpec(kernel, before * (_EXPANSION if number else 1), out, expand=number > 0))
            before = out
        stages.append(tuple(stage))
    return EfficientNetLiteSpec(_STEM, tuple(stages))


def _round(channels: float) -> int:
    """To a multiple of 8 that is at most a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


class SameConvBN(ConvBN):
    """A ConvBN as TensorFlow makes it: at stride 2 an even size is padded by one row and column less before than after."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, dilation, groups)
        self.bn.eps, self.bn.momentum = _EPS, _MOMENTUM
        if stride == 2:
            self.conv.padding = (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv.stride == (2, 2):
            after = self.conv.kernel_size[0] // 2
            top, left = (after - 1 + length % 2 for length in size_of(x))
            x = F.pad(x, (left, after, top, after))
        return super().forward(x)  # type: ignore[no-untyped-call]


class SameConvBNReLU6(SameConvBN):
    """SameConvBN followed by ReLU6."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, dilation, groups)
        self.relu = nn.ReLU6(inplace=True)


class InvertedResidual(nn.Module):
    """1x1, depthwise, 1x1 without activation (Sandler et al., 2018): (N, in, H, W) -> (N, out, H/stride, W/stride).

    shortcut: the input is added.
    """

    def __init__(self, in_channels: int, spec: BlockSpec, stride: int, dilation: int, shortcut: bool) -> None:
        super().__init__()
        self.expand = SameConvBNReLU6(in_channels, spec.inner, 1) if spec.expand else nn.Identity()
        self.depthwise = SameConvBNReLU6(spec.inner, spec.inner, spec.kernel, stride, dilation, groups=spec.inner)
        self.project = SameConvBN(spec.inner, spec.out, 1)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return out + x if self.shortcut else out

    def describe(self) -> BlockSpec:
        conv = self.depthwise.conv
        expand = isinstance(self.expand, ConvBN)
        return BlockSpec(conv.kernel_size[0], conv.out_channels, self.project.conv.out_channels, expand)


class EfficientNetLite(Trunk):
    """Stem and seven stages, without the 1x1 convolution that ends the classifier; the head has three of the stages."""

    def __init__(self, spec: EfficientNetLiteSpec, placings: Sequence[Placing] = SEGMENTATION) -> None:
        super().__init__()
        self.stem = SameConvBNReLU6(3, spec.stem, 3, stride=2)
        self.stages = nn.Sequential()
        in_channels = spec.stem
        for blocks, placing in zip(spec.stages, placings, strict=True):
            stage = nn.Sequential()
            for number, block in enumerate(blocks):
                stride, dilation = (1, placing.others) if number else (placing.stride, placing.first)
                stage.append(InvertedResidual(in_channels, block, stride, dilation, shortcut=number > 0))
                in_channels = block.out
            self.stages.append(stage)

    def head(self, x: Tensor) -> Tensor:
        return self.stages[:_SHARED](self.stem(x))

    def tail(self, x: Tensor) -> Tensor:
        return self.stages[_SHARED:](x)

    def spec(self) -> EfficientNetLiteSpec:
        stages = tuple(tuple(block.describe() for block in stage) for stage in self._blocks())
        return EfficientNetLiteSpec(self.stem.conv.out_channels, stages)

    def init_weights(self) -> None:
        """TensorFlow's: each channel of a depthwise convolution is one of its own."""
        for block in chain(*self._blocks()):
            weight = block.depthwise.conv.weight
            nn.init.normal_(weight, std=(2 / weight[0].numel()) ** 0.5)

    def translate(self, names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Understood are those of efficientnet_lite_pytorch: _conv_stem; _blocks.N._expand_conv, _bn0; _conv_head."""
        places = [f"stages.{i}.{j}" for i, stage in enumerate(self._blocks()) for j in range(len(stage))]
        return {_translate(name, places): value for name, value in names.items()}

    def _blocks(self) -> list[list[InvertedResidual]]:
        return [[b for b in stage.children() if isinstance(b, InvertedResidual)] for stage in self.stages]


_ENDS = {"_conv_stem": "stem.conv", "_bn0": "stem.bn", "_conv_head": "head.conv", "_bn1": "head.bn", "_fc": "fc"}
_PARTS = {
    "_expand_conv": "expand.conv", "_bn0": "expand.bn", "_depthwise_conv": "depthwise.conv", "_bn1": "depthwise.bn",
    "_project_conv": "project.conv", "_bn2": "project.bn",
}  # fmt: skip


def _translate(name: str, places: Sequence[str]) -> str:
    """One name; places: of all blocks, in their order."""
    part, _, leaf = name.rpartition(".")
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)", part):
        number, kind = int(match[1]), match[2]
        if number < len(places) and kind in _PARTS:
            return f"{places[number]}.{_PARTS[kind]}.{leaf}"
    return f"{_ENDS[part]}.{leaf}" if part in _ENDS else name
