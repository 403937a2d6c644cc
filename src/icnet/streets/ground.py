"""The ground of a street scene: asphalt with its markings, paving, and the shadows that fall on both."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet.streets.camera import Camera, Floats
from icnet.streets.canvas import ROAD, SIDEWALK, Canvas, Pixels, fill
from icnet.streets.layout import Layout
from icnet.streets.light import Colour, hsv
from icnet.streets.markings import markings
from icnet.streets.texture import SLAB, asphalt, clouds, paving

_FAR = 150.0  # metres; the ground ends here
_KERB = 0.3  # metres
_PAVING, _STONE, _ASPHALT = range(3)


class _Ground(NamedTuple):
    """Where the rays of some rows of pixels meet the ground: plan coordinates and depth in metres, (h, W) each."""

    across: Floats
    along: Floats
    depth: Floats
    seen: npt.NDArray[np.bool_]

    def below(self, top: int) -> _Ground:
        """The rows from `top` on."""
        return _Ground(self.across[top:], self.along[top:], self.depth[top:], self.seen[top:])


def draw_ground(canvas: Canvas, layout: Layout, shadows: Iterable[Floats], rng: np.random.Generator) -> None:
    """Paint road and sidewalks with the given shadows: polygons of pixels (N, 2)."""
    found = _meet(canvas.camera, layout)
    rows = found.seen.any(axis=1)
    if not rows.any():
        return
    top = int(rows.argmax())
    ground = found.below(top)
    surface = _surface(ground, layout)
    paints = [
        canvas.light.on(_stone(rng, *tones), (0.0, 1.0, 0.0)) for tones in ((0.45, 0.95), (0.5, 1.0), (0.18, 0.6))
    ]
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(paints), 0] = paints
    colours = cv2.applyColorMap(surface, table).astype(np.uint8, copy=False)
    _draw_lines(colours, canvas, layout, top, rng)
    tones = _slabs(ground, canvas.camera, rng)
    np.copyto(tones, _tar(ground, canvas, rng), where=surface == _ASPHALT)
    _shade(tones, canvas, shadows, top)
    cv2.multiply(colours, cv2.merge([tones] * 3), colours, scale=1 / 128)
    _enter(canvas, ground, colours, surface, top)


def _stone(rng: np.random.Generator, low: float, high: float) -> Colour:
    """A grey, often with a cast; the ranges of roads and paving overlap."""
    return hsv(rng.choice([0.08, 0.6, rng.random()]), abs(rng.normal(0, 0.1)), rng.uniform(low, high))


def _meet(camera: Camera, layout: Layout) -> _Ground:
    """Follow each pixel's ray to the ground y = rise * z²; the form of the root stays exact where the ground is flat."""
    x, y, z = camera.rays()
    up, rise = float(camera.position[1]), layout.rise
    root = y * y + 4 * rise * up * z * z if rise else y * y
    below = np.sqrt(np.maximum(root, 0)) - y
    depth = 2 * up / np.maximum(below, 1e-4)
    along = depth * z
    across = float(camera.position[0]) + depth * x - layout.bend * along**2
    seen = (root >= 0) & (below > 1e-3) & (depth < _FAR)
    return _Ground(across, along, depth, seen)


def _surface(ground: _Ground, layout: Layout) -> Pixels:
    """What the ground is made of at each pixel (h, W)."""
    aside = np.abs(ground.across) - layout.half
    surface = np.full(aside.shape, _PAVING, np.uint8)
    surface[aside < _KERB] = _STONE
    surface[aside < 0] = _ASPHALT
    middle, half = layout.crossing
    if half:
        surface[np.abs(ground.along - middle) < half] = _ASPHALT
    return surface


def _look_up(tile: Pixels, u: Floats, v: Floats, way: int = cv2.INTER_NEAREST) -> Pixels:
    """A texture at pixels (u, v), wherever its copies repeat."""
    where = np.asarray(u, np.float32), np.asarray(v, np.float32)
    return cv2.remap(tile, *where, way, borderMode=cv2.BORDER_WRAP).astype(np.uint8, copy=False)


def _tar(ground: _Ground, canvas: Canvas, rng: np.random.Generator) -> Pixels:
    """Asphalt's tones (h, W). Its grain is as coarse on the screen far away as nearby: a network is to see it anywhere."""
    scale = canvas.camera.focal / canvas.unit / ground.depth  # pixels of the texture for a metre
    level = np.exp2(np.floor(np.log2(scale)))
    u, v = ground.across * level, ground.along * level * 0.35
    coarse, fine = _look_up(asphalt(), u, v), _look_up(asphalt(), 2 * u, 2 * v)
    share = (255 * (scale / level - 1)).clip(0, 255).astype(np.uint8)
    grain = cv2.add(cv2.multiply(fine, share, scale=1 / 255), cv2.multiply(coarse, 255 - share, scale=1 / 255))
    stains = _look_up(clouds(), ground.across * 18 + rng.uniform(0, 512), ground.along * 7)
    return _contrast(cv2.addWeighted(grain, 0.8, stains, 0.3, -13), rng.uniform(0.2, 0.35))


def _slabs(ground: _Ground, camera: Camera, rng: np.random.Generator) -> Pixels:
    """Paving's tones (h, W); far away the slabs are wider, and longer still, so that they can be told apart anywhere."""
    side, turned = rng.uniform(0.9, 1.5), rng.random() < 0.3
    tile = paving(int(rng.integers(3)))
    # flat is one over the square of the distance at which a slab is no higher than 6 pixels of a frame of 256 rows
    flat = 6 * camera.height / 256 / (camera.focal * float(camera.position[1]) * side)
    u = ground.across * (SLAB / side / _doubled(ground.depth / 7))
    v = ground.along * (SLAB / side / _doubled(ground.depth**2 * flat))
    if turned:
        u, v = (u - v) * math.sqrt(0.5), (u + v) * math.sqrt(0.5)
    return _contrast(_look_up(tile, u, v, cv2.INTER_LINEAR), rng.uniform(0.6, 0.9))


def _doubled(factor: Floats) -> Floats:
    """The power of two, 1 at least, below a factor."""
    return np.asarray(np.exp2(np.floor(np.log2(np.maximum(factor, 1)))), np.float32)


def _contrast(grey: npt.NDArray[Any], strength: float) -> Pixels:
    """Greys of mean 128 pulled together about it."""
    return cv2.convertScaleAbs(grey, alpha=strength, beta=128 * (1 - strength)).astype(np.uint8, copy=False)


def _draw_lines(colours: Pixels, canvas: Canvas, layout: Layout, top: int, rng: np.random.Generator) -> None:
    paint = hsv(rng.choice([0.13, 0.13, 0.6]), rng.choice([0.04, 0.04, 0.55]), rng.uniform(0.8, 1.0))
    tone = canvas.light.on(paint, (0.0, 1.0, 0.0))
    fill(colours, (canvas.camera.outline(points) - (0, top) for points in markings(layout, rng)), tone)


def _shade(tones: Pixels, canvas: Canvas, shadows: Iterable[Floats], top: int) -> None:
    mask = np.full(tones.shape, 255, np.uint8)
    fill(mask, (outline - (0, top) for outline in shadows), 255 * (1 - canvas.light.shadow))
    soft = cv2.blur(mask, (2 * round(canvas.unit) + 1,) * 2)
    cv2.multiply(tones, soft, tones, scale=1 / 255)


def _enter(canvas: Canvas, ground: _Ground, colours: Pixels, surface: Pixels, top: int) -> None:
    seen = ground.seen.view(np.uint8)
    labels = np.where(surface == _ASPHALT, np.uint8(ROAD), np.uint8(SIDEWALK))
    cv2.copyTo(colours, seen, canvas.image[top:])
    cv2.copyTo(labels, seen, canvas.labels[top:])
    cv2.copyTo(labels.astype(np.uint16), seen, canvas.instances[top:])
    cv2.copyTo(ground.depth, seen, canvas.depth[top:])
