"""Colour jitter: what albumentations' ColorJitter does, in one pass over the pixels and one more for the hue."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from icnet.data.images import Pixels
from icnet.errors import ConfigError

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: grey of (red, green, blue), OpenCV's and Pillow's
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

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """image: (H, W, 3), red first; what comes out is a new array, or the image itself where there is nothing to do."""
        if max(self.factors) > 0:
            image = change_contrast(image, *(rng.uniform(max(0.0, 1 - x), 1 + x) for x in self.factors))
        if self.hue > 0:
            image = turn_hue(image, rng.uniform(-self.hue, self.hue))
        return image


def change_contrast(image: Pixels, brightness: float, contrast: float, saturation: float) -> Pixels:
    """Scale the brightness, the distance from the image's mean grey, and the distance from each pixel's own grey."""
    scale = brightness * contrast
    grey = float(LUMA @ cv2.mean(image)[:3])
    matrix: npt.NDArray[np.float32] = np.empty((3, 4), np.float32)
    matrix[:, :3] = scale * (saturation * np.eye(3) + (1 - saturation) * LUMA)
    matrix[:, 3] = brightness * (1 - contrast) * grey
    return cv2.transform(image, matrix)  # type: ignore[return-value]


def turn_hue(image: Pixels, turn: float) -> Pixels:
    """turn: in full circles; from red (0) by way of green (1/3) and blue (2/3)."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hues = (np.arange(256) + round(_STEPS * turn)) % _STEPS
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, 0), hues.astype(np.uint8)), hsv, 0)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)  # type: ignore[return-value]
