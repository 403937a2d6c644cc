"""A network, or one of its exits, run by PyTorch: as it is, or compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.engines.engine import Card, check_size
from icnet.errors import ConfigError
from icnet.model.icnet import STAGES, WHOLE, ICNet
from icnet.model.label_map import to_label_map
from icnet.model.preprocess import Normalize
from icnet.model.work import count_exit_macs, count_parameters


class Look(NamedTuple):
    """All that a network makes of frames in one pass.

    label_maps: as the engine gives them. stages: the coarse logits of its exit and of those before it, the earliest first.
    features: (N, channels) of the trunk, averaged over each frame.
    """

    label_maps: Tensor
    stages: list[Tensor]
    features: Tensor


class TorchEngine:
    """An exit of a network, which is put into eval mode. It is shared, not copied: `to` moves it for all who hold it.

    autocast: the type that convolutions compute in (torch.bfloat16); None: fp32.
    exits: the stages that have a classifier.
    """

    kind = "PyTorch"

    def __init__(
        self,
        net: ICNet,
        normalize: Normalize,
        classes: ClassTable,
        exit: str = WHOLE,
        autocast: torch.dtype | None = None,
        exits: tuple[str, ...] = STAGES,
    ) -> None:
        self.exits = exits
        if exit not in self.exits:
            raise ConfigError(f"task.exit is {exit!r}: choose one of {', '.join(self.exits)}")
        self._whole, self.net = net, net.exit_at(exit).eval()
        self.normalize, self.autocast = normalize.to(self.device), autocast
        precision = str(autocast or torch.float32).removeprefix("torch.")
        self.card = Card(
            self.kind,
            classes,
            exit,
            precision,
            net.resize.align_corners,
            count_parameters(self.net),
            bit_depth=normalize.bit_depth,
        )
        self._coarse = self._prepare(self.net.coarse)

    def _prepare(self, coarse: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """What maps normalised images to coarse logits."""
        return coarse

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def at(self, exit: str) -> TorchEngine:
        return type(self)(self._whole, self.normalize, self.card.classes, exit, self.autocast, self.exits)

    def to(self, device: torch.device) -> TorchEngine:
        self.net.to(device)
        self.normalize.to(device)
        return self

    def label_maps(self, frames: Tensor) -> Tensor:
        with torch.inference_mode():
            return to_label_map(self._score(frames), (frames.shape[1], frames.shape[2]), self.net.resize)

    def scores(self, frames: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.net.resize(self._score(frames).float(), (frames.shape[1], frames.shape[2]))

    def look(self, frames: Tensor) -> Look:
        """Frames as `label_maps` takes them."""
        check_size(frames)
        stages = self.exits[: self.exits.index(self.card.exit) + 1]
        with torch.inference_mode():
            with torch.autocast(frames.device.type, self.autocast, enabled=self.autocast is not None):
                images = self.normalize(frames)
                sub2, sub4 = self._whole.trunk(images)
                logits = [self._whole.exit_at(stage).fuse(images, sub2, sub4) for stage in stages]
            label_maps = to_label_map(logits[-1], (frames.shape[1], frames.shape[2]), self.net.resize)
        return Look(label_maps, logits, sub4.float().mean(dim=(2, 3)))

    def count_macs(self, size: tuple[int, int]) -> int:
        return count_exit_macs(self._whole.architecture, self.card.exit, size)

    def _score(self, frames: Tensor) -> Tensor:
        """Coarse logits, at the stride of the exit."""
        check_size(frames)
        with torch.autocast(frames.device.type, self.autocast, enabled=self.autocast is not None):
            return self._coarse(self.normalize(frames))


class CompiledEngine(TorchEngine):
    """The same through torch.compile: a minute at the first frame of each size, faster afterwards."""

    kind = "PyTorch, compiled"

    def _prepare(self, coarse: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return torch.compile(coarse)
