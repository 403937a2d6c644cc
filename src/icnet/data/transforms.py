"""Augmentation: a random scale and crop in one step, flip, and colour jitter; decided by (seed, epoch, sample) alone."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE
from icnet.errors import ConfigError

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network otherwise
import albumentations as A

FILL = (124, 116, 104)  # ImageNet's mean: what is padded is 0 once normalised, and leaves BN alone


class Window(NamedTuple):
    """A source window (top, left, height, width), the (height, width) it is scaled to, and its place in the crop."""

    top: int
    left: int
    height: int
    width: int
    scaled: tuple[int, int]
    offset: tuple[int, int]


class Augment:
    """Random scale, crop, flip and colour jitter of an image and its label map.

    crop_size: (height, width) of what comes out; where the scaled frame is smaller it is padded with ignored pixels.
    scale: the range of the uniformly drawn factor (paper: 0.5 to 2).
    base: the length of a frame's shorter side that factor 1 stands for; None takes frames as they are.
    flip: probability of a horizontal flip.
    brightness, contrast, saturation, hue: ranges of albumentations' ColorJitter, 0 for none.
    """

    def __init__(
        self,
        crop_size: Sequence[int],
        scale: Sequence[float] = (0.5, 2.0),
        base: int | None = None,
        flip: float = 0.5,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
    ) -> None:
        self.crop_size = _read_crop_size(crop_size)
        self.scale = _read_scale(scale)
        if base is not None and base < 1:
            raise ConfigError(f"data.augment.base is {base}: give the length of the shorter side in pixels, or null")
        self.base = base
        limits = {"flip": 1.0, "brightness": math.inf, "contrast": math.inf, "saturation": math.inf, "hue": 0.5}
        for name, value in zip(limits, (flip, brightness, contrast, saturation, hue), strict=True):
            if not 0 <= value <= limits[name]:
                raise ConfigError(f"data.augment.{name} is {value}: give a number in 0..{limits[name]}")
        steps: list[A.BasicTransform] = [A.HorizontalFlip(p=flip)]
        if max(brightness, contrast, saturation, hue) > 0:
            steps.append(A.ColorJitter(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue, p=1.0))
        self.appearance = A.Compose(steps)

    def __call__(self, image: Pixels, label: Pixels, key: Sequence[int]) -> tuple[Pixels, Pixels]:
        """image (H, W, 3), label (H, W); key: the numbers that decide everything, here (seed, epoch, sample)."""
        rng = np.random.default_rng(list(key))
        image, label = self.scale_crop(image, label, rng)
        self.appearance.set_random_seed(int(rng.integers(2**31)))
        out = self.appearance(image=image, mask=label)
        return out["image"], out["mask"]

    def scale_crop(self, image: Pixels, label: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Scale by a random factor, then take a random crop: same distribution, but only the source window that becomes
        the crop is cut out and scaled."""
        unit = 1.0 if self.base is None else self.base / min(label.shape)
        window = draw_window(label.shape, self.crop_size, (unit * self.scale[0], unit * self.scale[1]), rng)
        return (
            _cut(image, window, self.crop_size, cv2.INTER_LINEAR, FILL),
            _cut(label, window, self.crop_size, cv2.INTER_NEAREST_EXACT, (IGNORE,)),
        )


def build_picture_augment(side: int) -> A.Compose:
    """ImageNet's: a random crop of 8 to 100 % of the area, scaled to side x side, and a flip (Szegedy et al., 2015)."""
    return A.Compose([A.RandomResizedCrop(size=(side, side)), A.HorizontalFlip(p=0.5)])


def _read_crop_size(size: Sequence[int]) -> tuple[int, int]:
    if not isinstance(size, Sequence) or len(size) != 2 or not all(isinstance(n, int) and n >= 32 for n in size):
        shown = list(size) if isinstance(size, Sequence) else size
        raise ConfigError(f"data.crop_size is {shown}: give [height, width], whole numbers of at least 32")
    return size[0], size[1]


def _read_scale(scale: Sequence[float]) -> tuple[float, float]:
    if not isinstance(scale, Sequence) or len(scale) != 2 or not 0 < scale[0] <= scale[1] < math.inf:
        shown = list(scale) if isinstance(scale, Sequence) else scale
        raise ConfigError(f"data.augment.scale is {shown}: give [smallest, largest], both above 0")
    return float(scale[0]), float(scale[1])


def draw_window(
    size: tuple[int, ...], crop: tuple[int, int], scale: tuple[float, float], rng: np.random.Generator
) -> Window:
    """Choose the factor and the place of the window; along each axis every place that fits is equally likely."""
    factor = rng.uniform(*scale)
    axes = [_draw_axis(length, wanted, factor, rng) for length, wanted in zip(size, crop, strict=True)]
    (top, height, rows, down), (left, width, columns, right) = axes
    return Window(top, left, height, width, (rows, columns), (down, right))


def _draw_axis(length: int, wanted: int, factor: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """(start and length in the source, length once scaled, place in the crop) along one axis."""
    scaled = max(round(length * factor), 1)
    if scaled <= wanted:
        return 0, length, scaled, int(rng.integers(wanted - scaled + 1))
    source = min(max(round(wanted / factor), 1), length)
    return int(rng.integers(length - source + 1)), source, wanted, 0


def _cut(pixels: Pixels, window: Window, crop: tuple[int, int], interpolation: int, fill: Sequence[int]) -> Pixels:
    source = pixels[window.top : window.top + window.height, window.left : window.left + window.width]
    rows, columns = window.scaled
    scaled = (
        source
        if source.shape[:2] == window.scaled
        else cv2.resize(source, (columns, rows), interpolation=interpolation)
    )
    if window.scaled == crop:
        return np.ascontiguousarray(scaled)
    out = np.empty((*crop, *pixels.shape[2:]), np.uint8)
    out[...] = fill
    down, right = window.offset
    out[down : down + rows, right : right + columns] = scaled
    return out
