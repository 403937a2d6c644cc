"""The last touch of a street scene: haze, the glow of lamps, the film, the lens, and noise."""

from __future__ import annotations

import cv2
import numpy as np

from icnet.streets.canvas import Canvas, Pixels
from icnet.streets.light import Light


def finish(canvas: Canvas, rng: np.random.Generator) -> Pixels:
    """The canvas' image (H, W, 3) as a camera would have taken it."""
    image = canvas.image
    if canvas.hazy:
        image = _haze(canvas)
    if canvas.light.lamps > 0.25:
        image = _bloom(image, canvas.unit)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.75) * canvas.unit).astype(np.uint8, copy=False)
    return _noise(_film(image, canvas.light, rng), rng)


def _haze(canvas: Canvas) -> Pixels:
    share = 1 - np.exp(-canvas.light.haze * np.minimum(canvas.depth, 90.0))
    share[np.isinf(canvas.depth)] = 0
    grey = (255 * share).astype(np.uint8)
    veil = cv2.merge([grey, grey, grey])
    air = np.empty_like(canvas.image)
    air[:] = canvas.light.horizon
    kept = cv2.multiply(canvas.image, 255 - veil, scale=1 / 255)
    return cv2.add(kept, cv2.multiply(air, veil, scale=1 / 255)).astype(np.uint8, copy=False)


def _bloom(image: Pixels, unit: float) -> Pixels:
    """What is very bright glows into its surroundings."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(2, width // 4), max(2, height // 4)), interpolation=cv2.INTER_AREA)
    bright = np.maximum(small, 170) - 170
    glow = cv2.GaussianBlur(bright, (0, 0), 3.0 * unit)
    wide = cv2.resize(cv2.convertScaleAbs(glow, alpha=2.2), (width, height))
    return cv2.add(image, wide).astype(np.uint8, copy=False)


def _film(image: Pixels, light: Light, rng: np.random.Generator) -> Pixels:
    """Exposure, colour cast and saturation."""
    gamma = np.log(rng.uniform(0.4, 0.58)) / np.log(np.clip(image.mean() / 255, 0.1, 0.9))  # an automatic exposure
    tones = np.linspace(0, 1, 256) ** np.clip(gamma, 0.55, 1.5)
    tones = tones + 0.5 * (3 * tones**2 - 2 * tones**3 - tones)  # deeper shadows, clearer lights
    cast = 1 + rng.normal(0, 0.035, 3)
    table = (255 * tones[:, None] * cast).clip(0, 255).astype(np.uint8)[:, None]
    mapped = cv2.LUT(image, table)
    vivid = rng.uniform(0.95, 1.4)
    grey = np.full((3, 3), (1 - vivid) / 3) + np.eye(3) * vivid
    return cv2.transform(mapped, grey).astype(np.uint8, copy=False)


def _noise(image: Pixels, rng: np.random.Generator) -> Pixels:
    """Grain of some grey levels, independent in each channel."""
    share = rng.uniform(0.01, 0.07)
    grain = rng.integers(0, 256, image.shape, dtype=np.uint8)
    return cv2.addWeighted(image, 1.0, grain, share, -127.5 * share).astype(np.uint8, copy=False)
