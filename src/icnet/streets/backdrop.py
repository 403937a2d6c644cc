"""The sky of a street scene."""

from __future__ import annotations

import cv2
import numpy as np

from icnet.streets.camera import Camera, Floats
from icnet.streets.canvas import SKY, Canvas
from icnet.streets.light import Light
from icnet.streets.texture import SIDE, clouds


def draw_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fill the whole canvas with sky."""
    camera, light = canvas.camera, canvas.light
    size = (camera.width, camera.height)
    small = camera._replace(  # the sky is smooth: some of the pixels will do
        height=max(2, camera.height // 4),
        width=max(2, camera.width // 4),
        focal=camera.focal / 4,
        centre=(camera.centre[0] / 4 - 0.375, camera.centre[1] / 4 - 0.375),
    )
    x, y, z = small.rays()
    colours = _gradient(y, light) + _glow(x, y, z, light)
    cover = _cover(x, y, z, light, rng)[..., None]
    colours = colours * (1 - cover) + np.array(light.cloud, np.float32) * cover * _relief(small, y)
    cv2.resize(np.clip(colours, 0, 255).astype(np.uint8), size, canvas.image, interpolation=cv2.INTER_CUBIC)
    canvas.labels[:] = SKY
    canvas.instances[:] = SKY
    if light.lamps > 0.4:
        _stars(canvas, rng)


def _gradient(y: Floats, light: Light) -> Floats:
    """(h, w, 3): the horizon's colour fades into the zenith's; y is the tangent of the height."""
    high = np.clip(y / 0.55, 0, 1)[..., None]
    horizon, zenith = np.array(light.horizon, np.float32), np.array(light.zenith, np.float32)
    return np.asarray(horizon * (1 - high) + zenith * high, np.float32)


def _glow(x: Floats, y: Floats, z: Floats, light: Light) -> Floats:
    """(h, w, 3): the light around the sun."""
    near = (x * light.to_sun[0] + y * light.to_sun[1] + z * light.to_sun[2]) / np.sqrt(x * x + y * y + z * z)
    if near.max() < 0.85:
        return np.zeros((1, 1, 3), np.float32)
    halo = 0.35 * np.exp((near - 1) * 25) + 0.9 * np.exp((near - 1) * 900)
    return np.asarray(halo[..., None] * np.array(light.sun, np.float32), np.float32)


def _cover(x: Floats, y: Floats, z: Floats, light: Light, rng: np.random.Generator) -> Floats:
    """(h, w): how much of the sky's colour is a cloud's, 0..1; the clouds drift on a flat ceiling."""
    far = np.maximum(y + 0.12, 0.03)
    u, v = rng.uniform(0, SIDE, 2)
    heaps = cv2.remap(
        clouds(),
        (u + 55 * x / far).astype(np.float32),
        (v + 55 * z / far).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    edge = 220 - 170 * light.cover
    soft = np.clip((heaps.astype(np.float32) - edge) / 80, 0, 1)
    return np.asarray(soft * np.clip(y / 0.15 + 0.4, 0, 0.9), np.float32)


def _relief(camera: Camera, y: Floats) -> Floats:
    """(h, w, 1): clouds are a little darker low in the sky."""
    return np.asarray(np.clip(0.86 + 0.3 * y, 0.8, 1.05)[..., None], np.float32)


def _stars(canvas: Canvas, rng: np.random.Generator) -> None:
    for x, y, tone in zip(*rng.random((3, 26)), strict=True):
        where = (int(16 * x * canvas.camera.width), int(16 * y * canvas.camera.height))
        colour = tuple(120 + 135 * tone for _ in range(3))
        cv2.circle(canvas.image, where, round(9 * canvas.unit), colour, -1, cv2.LINE_AA, 4)
