"""Colour jitter: what albumentations' ColorJitter does, in one pass over the pixels and one more for the hue."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from icnet.data.images import Pixels
from icnet.errors import ConfigError

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: grey of (red, green, blue), OpenCV's and Pillow's
_BAND = 32  # rows that are worked on at once: they stay in the cache
_STEPS = 180  # of a full circle, in OpenCV's HSV of 8 bits


class ColorJitter:
    """Random brightness, contrast, saturation and hue, uniform in the ranges of albumentations' ColorJitter.

    brightness, contrast, saturation: x draws a factor from max(0, 1 - x) to 1 + x. hue: x turns by -x to x of a full circle.

    Brightness, contrast and saturation are linear in the colour and commute: one 3x4 matrix does all three. albumentations
    does them one by one, in any order, and clips to 0..255 in between; apart from that the two agree. The hue is turned
    last, in HSV, as there.
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        limits = {"brightness": math.inf, "contrast": math.inf, "saturation": math.inf, "hue": 0.5}
        for (name, limit), value in zip(limits.items(), (brightness, contrast, saturation, hue), strict=True):
            if not 0 <= value <= limit:
                raise ConfigError(f"data.augment.{name} is {value}: give a number in 0..{limit}")
        self.factors = (brightness, contrast, saturation)
        self.hue = hue

    def __call__(self, image: Pixels, rng: np.random.Generator) -> None:
        """Change an image (H, W, 3), red first, where it lies."""
        if max(self.factors) > 0:
            change_contrast(image, *(rng.uniform(max(0.0, 1 - x), 1 + x) for x in self.factors))
        if self.hue > 0:
            turn_hue(image, rng.uniform(-self.hue, self.hue))


def change_contrast(image: Pixels, brightness: float, contrast: float, saturation: float) -> None:
    """Scale the brightness, the distance from the image's mean grey, and the distance from each pixel's own grey."""
    scale = brightness * contrast
    grey = float(LUMA @ cv2.mean(image)[:3])
    matrix: npt.NDArray[np.float32] = np.empty((3, 4), np.float32)
    matrix[:, :3] = scale * (saturation * np.eye(3) + (1 - saturation) * LUMA)
    matrix[:, 3] = brightness * (1 - contrast) * grey
    cv2.transform(image, matrix, dst=image)


def turn_hue(image: Pixels, turn: float) -> None:
    """turn: in full circles; from red (0) by way of green (1/3) and blue (2/3)."""
    hues = ((np.arange(256) + round(_STEPS * turn)) % _STEPS).astype(np.uint8)
    for top in range(0, len(image), _BAND):
        band = image[top : top + _BAND]
        hsv = cv2.cvtColor(band, cv2.COLOR_RGB2HSV)
        cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, 0), hues), hsv, 0)
        cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dst=band)
