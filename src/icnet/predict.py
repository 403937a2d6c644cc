"""Predictor: frames in, label maps out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from icnet.errors import ConfigError, DataError
from icnet.model.icnet import SMALLEST_INFERENCE, EarlyExit, ICNet
from icnet.model.label_map import to_label_map
from icnet.model.layers import Resize, size_of
from icnet.model.preprocess import Normalize
from icnet.weights.checkpoint import load_checkpoint, read_checkpoint

_OVERLAP = 3  # neighbouring windows share a third of their length


@dataclass(frozen=True)
class Scheme:
    """How a frame is brought to the network. The default is the cheapest and the paper's: once, whole, as it is.

    size: (height, width) that the frame is resized to first (the authors: 1025, 2049); None leaves it.
    scales: factors of that size; the class probabilities of all are averaged.
    flip: average with the mirrored frame, at each scale.
    window: (height, width) of a window that slides over the frame, neighbours sharing a third; None reads it whole.
    """

    size: tuple[int, int] | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, size in (("size", self.size), ("window", self.window)):
            if size is not None and not _is_size(size):
                raise ConfigError(f"task.{name} is {size}: give [height,width], whole numbers of at least 32")
        if not isinstance(self.scales, tuple) or not self.scales or not all(_is_factor(s) for s in self.scales):
            raise ConfigError(f"task.scales is {self.scales}: give factors above 0 and up to 8, e.g. [0.75,1.0]")


class Predictor:
    """Label maps of single frames.

    net: an ICNet, or one of its exits; it is put into eval mode.
    normalize: as in training; ImageNet's statistics by default, which every data set here uses unless told otherwise.
    scheme: scales, flip, window.
    autocast: the type that convolutions compute in (torch.bfloat16); None: fp32.
    """

    def __init__(
        self,
        net: nn.Module,
        normalize: Normalize | None = None,
        scheme: Scheme | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.net = net.eval()
        self.normalize: Normalize = (normalize or Normalize()).to(self.device)
        self.scheme, self.autocast = scheme or Scheme(), autocast
        resize = getattr(net, "resize", None)  # in the geometry of the network
        self.resize: Resize = resize if isinstance(resize, Resize) else Resize()

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu") -> Predictor:
        """The network and the preprocessing of a checkpoint."""
        about = read_checkpoint(path).preprocessing
        return cls(load_checkpoint(path).to(device), Normalize(about["mean"], about["std"]))

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.net.parameters()).device

    def __call__(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """frame (H, W, 3), red first -> (H, W) train ids."""
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"the frame is {frame.dtype} {frame.shape}: give uint8 (height, width, 3), red first")
        frames = torch.from_numpy(np.ascontiguousarray(frame))[None].to(self.device)
        return self.label_maps(frames)[0].cpu().numpy()

    @torch.inference_mode()
    def label_maps(self, frames: Tensor) -> Tensor:
        """frames (N, H, W, 3) uint8, red first, on the device of the network -> (N, H, W) uint8 train ids."""
        with torch.autocast(frames.device.type, self.autocast, enabled=self.autocast is not None):
            images = self.normalize(frames)
            if self.scheme == Scheme() and isinstance(self.net, ICNet | EarlyExit):
                _check_size(images)
                scores = self.net.coarse(images)
            else:
                scores = self._average(images)
        return to_label_map(scores, size_of(images), self.resize)

    def _average(self, images: Tensor) -> Tensor:
        """Scores summed over all views, at the size of the images."""
        native = size_of(images)
        height, width = self.scheme.size or native
        total = torch.zeros((), device=images.device)
        for scale, mirrored in product(self.scheme.scales, (False, True) if self.scheme.flip else (False,)):
            view = self.resize(images, (round(height * scale), round(width * scale)))
            scores = self._slide(view.flip(-1) if mirrored else view)
            total = total + self.resize(scores.flip(-1) if mirrored else scores, native)
        return total

    def _slide(self, images: Tensor) -> Tensor:
        """Scores of a view, averaged over the windows that cover a pixel."""
        size, window = size_of(images), self.scheme.window or size_of(images)
        total = torch.zeros((), device=images.device)
        count = torch.zeros(size, device=images.device)
        for top, left in product(*(_starts(length, part) for length, part in zip(size, window, strict=True))):
            place = (..., slice(top, top + window[0]), slice(left, left + window[1]))
            scores = self._score(images[place])
            if total.ndim == 0:
                total = scores.new_zeros(*scores.shape[:2], *size)
            total[place] += scores
            count[place] += 1
        return total / count

    def _score(self, images: Tensor) -> Tensor:
        """Class probabilities where several are averaged; logits, which have the same maximum, where one decides."""
        _check_size(images)
        logits: Tensor = self.net(images)
        several = self.scheme.window is not None or self.scheme.flip or len(self.scheme.scales) > 1
        return logits.float().softmax(dim=1) if several else logits


def _check_size(images: Tensor) -> None:
    height, width = size_of(images)
    if min(height, width) < SMALLEST_INFERENCE:
        raise DataError(f"a frame is {height}x{width} where the network reads it: ICNet needs at least 32x32")


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple) and len(size) == 2 and all(isinstance(n, int) and n >= SMALLEST_INFERENCE for n in size)
    )


def _is_factor(scale: object) -> bool:
    return isinstance(scale, int | float) and 0 < scale <= 8


def _starts(length: int, window: int) -> list[int]:
    """Where windows begin along an axis: evenly, overlapping by a third or more, the last one ending at its end."""
    if length <= window:
        return [0]
    count = -(-(length - window) * _OVERLAP // (window * (_OVERLAP - 1))) + 1
    return [round(i * (length - window) / (count - 1)) for i in range(count)]
