"""What the cascade asks of a trunk; each family of trunks is one file in trunks/, whose name a description carries."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

_FAMILIES = Path(__file__).with_name("trunks")


class Trunk(nn.Module):
    """A feature extractor, cut so that its deep half can run at half the resolution.

    head: (N, 3, H, W) -> (N, out_channels[0], ceil(H/8), ceil(W/8))
    tail: (N, out_channels[0], h, w) -> (N, out_channels[1], h, w)
    """

    @abstractmethod
    def head(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def tail(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def spec(self) -> TrunkSpec:
        """Read from the modules, so that it is right after a cut, too."""

    @abstractmethod
    def init_weights(self) -> None:
        """What this family wants beyond `init_weights` of the layers."""

    @abstractmethod
    def translate(self, names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights that others published, under the names that they have here; what has no name here keeps its own."""


class TrunkSpec(Protocol):
    """A trunk as plain data: enough to build any width, depth, or pruned variant of its family.

    Raises ValueError when it is made of what fits no network.
    """

    @property
    def mean(self) -> Sequence[float]:
        """Of red, green, blue on the scale 0..1: subtracted from the images that published weights were trained with."""

    @property
    def std(self) -> Sequence[float]:
        """By which they were divided."""

    @property
    def base(self) -> int:
        """The width that fusion units follow where nobody says otherwise: they have four times as many channels."""

    @property
    def out_channels(self) -> tuple[int, int]:
        """Channels of head and tail."""

    def build(self, *, dilated: bool = True) -> Trunk:
        """The trunk, its weights at random. dilated False: as a classifier, whose tail goes on halving."""

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as stored in a checkpoint, with the `family`."""


def read_spec(plain: Mapping[str, Any]) -> TrunkSpec:
    """The inverse of `TrunkSpec.to_dict`: the family's own file reads it. ValueError where there is no such family."""
    family, known = plain["family"], sorted(file.stem for file in _FAMILIES.glob("[a-z]*.py"))
    if family not in known:
        raise ValueError(f"there is no family of trunks {family!r} (known: {', '.join(known)})")
    spec: TrunkSpec = importlib.import_module(f"icnet.model.trunks.{family}").read_spec(plain)
    return spec
