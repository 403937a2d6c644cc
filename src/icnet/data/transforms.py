"""Augmentation: a random scale and crop in one step, flip, and colour jitter; decided by (seed, epoch, sample) alone."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Sequence

import cv2
import numpy as np

from icnet.data.images import Pixels
from icnet.data.jitter import ColorJitter
from icnet.data.labels import IGNORE
from icnet.data.windows import Source, cut_window, draw_window
from icnet.errors import ConfigError

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network otherwise
import albumentations as A

FILL = (124, 116, 104)  # ImageNet's mean: what is padded is 0 once normalised, and leaves BN alone


class Augment:
    """Random scale, crop, flip and colour jitter of an image and its label map.

    crop_size: (height, width) of what comes out; where the scaled frame is smaller it is padded with ignored pixels.
    scale: the range of the uniformly drawn factor (paper: 0.5 to 2).
    base: the length of a frame's shorter side that factor 1 stands for; None takes frames as they are.
    flip: probability of a horizontal flip.
    brightness, contrast, saturation, hue: ranges of ColorJitter, 0 for none.
    jitter: probability of it; the other samples keep the light that they were taken in.
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
        jitter: float = 1.0,
    ) -> None:
        self.crop_size = _read_crop_size(crop_size)
        self.scale = _read_scale(scale)
        if base is not None and base < 1:
            raise ConfigError(f"data.augment.base is {base}: give the length of the shorter side in pixels, or null")
        self.base = base
        for name, share in (("flip", flip), ("jitter", jitter)):
            if not 0 <= share <= 1:
                raise ConfigError(f"data.augment.{name} is {share}: give a number in 0..1.0")
        self.flip_share = flip
        self.jitter_share = jitter
        self.jitter = ColorJitter(brightness, contrast, saturation, hue)

    def __call__(self, image: Source, label: Source, key: Sequence[int]) -> tuple[Pixels, Pixels]:
        """image (H, W, 3), label (H, W); key: the numbers that decide everything, here (seed, epoch, sample)."""
        rng = np.random.default_rng(list(key))
        crop, labels = self.scale_crop(image, label, rng)
        self.flip(crop, labels, rng)
        if self.jitter_share == 1 or rng.random() < self.jitter_share:
            self.jitter(crop, rng)
        return crop, labels

    def flip(self, image: Pixels, label: Pixels, rng: np.random.Generator) -> None:
        """Mirror a crop where it lies, or not. The draw is the one that albumentations makes with this seed: runs repeat."""
        if random.Random(int(rng.integers(2**31))).random() < self.flip_share:
            cv2.flip(image, 1, dst=image)
            cv2.flip(label, 1, dst=label)

    def scale_crop(self, image: Source, label: Source, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Scale by a random factor, then take a random crop: same distribution, but only the source window that becomes
        the crop is cut out and scaled. What comes out is new memory."""
        unit = 1.0 if self.base is None else self.base / min(label.shape)
        window = draw_window(label.shape, self.crop_size, (unit * self.scale[0], unit * self.scale[1]), rng)
        return (
            cut_window(image, window, self.crop_size, cv2.INTER_LINEAR, FILL),
            cut_window(label, window, self.crop_size, cv2.INTER_NEAREST_EXACT, (IGNORE,)),
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
