"""The ground of a street scene: asphalt with its markings, paving, and the shadows that fall on both."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet.data.streets.camera import Camera, Floats
from icnet.data.streets.canvas import ROAD, SIDEWALK, Canvas, Pixels, fill
from icnet.data.streets.layout import Layout
from icnet.data.streets.light import Colour, hsv
from icnet.data.streets.markings import markings
from icnet.data.streets.texture import SLAB, asphalt, clouds, paint, patch, paving

_FAR = 150.0  # metres; the ground ends here
_KERB = 0.3  # metres


class _Ground(NamedTuple):
    """Where the rays of some rows of pixels meet the ground: plan coordinates and depth in metres, (h, W) each."""

    across: Floats
    along: Floats
    depth: Floats
    seen: npt.NDArray[np.bool_]


def draw_ground(canvas: Canvas, layout: Layout, shadows: list[Floats], rng: np.random.Generator) -> None:
    """Paint road and sidewalks with the given shadows: polygons of pixels (N, 2)."""
    found = _meet(canvas.camera, layout)
    rows = found.seen.any(axis=1)
    if not rows.any():
        return
    top = int(rows.argmax())
    ground = _Ground(*(part[top:] for part in found))
    road = (np.abs(ground.across) < layout.half) | (np.abs(ground.along - layout.crossing[0]) < layout.crossing[1])
    up = (0.0, 1.0, 0.0)
    stone = canvas.light.on(_stone(rng), up)
    colours = _slabs(ground, canvas, canvas.light.on(_stone(rng), up), rng)
    _kerbs(colours, ground, layout, stone)
    np.copyto(colours, _tar(ground, canvas, canvas.light.on(_stone(rng), up), rng), where=road[..., None])
    _paint_lines(colours, canvas, layout, top, rng)
    _shade(colours, canvas, shadows, top)
    _enter(canvas, ground, colours, road, top)


def _stone(rng: np.random.Generator) -> Colour:
    """A paint for roads and paving alike: any grey, often with a cast."""
    return hsv(rng.choice([0.08, 0.6, rng.random()]), abs(rng.normal(0, 0.17)), rng.uniform(0.25, 0.95))


def _meet(camera: Camera, layout: Layout) -> _Ground:
    """Follow each pixel's ray to the ground y = rise * z²; the form of the root stays exact where the ground is flat."""
    x, y, z = camera.rays()
    up, rise = float(camera.position[1]), layout.rise
    root = y * y + 4 * rise * up * z * z
    below = np.sqrt(np.maximum(root, 0)) - y
    depth = 2 * up / np.maximum(below, 1e-4)
    along = depth * z
    across = camera.position[0] + depth * x - layout.bend * along**2
    seen = (root >= 0) & (below > 1e-3) & (depth < _FAR)
    return _Ground(across, along, depth, seen)


def _look_up(tile: Pixels, u: Floats, v: Floats) -> Pixels:
    """A texture at pixels (u, v), wherever its copies repeat."""
    return cv2.remap(tile, np.asarray(u, np.float32), np.asarray(v, np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.uint8, copy=False)


def _tar(ground: _Ground, canvas: Canvas, colour: Colour, rng: np.random.Generator) -> Pixels:
    """Asphalt (h, W, 3). Its grain is as coarse on the screen far away as nearby: the network is to see it anywhere."""
    scale = canvas.camera.focal / canvas.unit / ground.depth  # pixels of the texture for a metre
    level = np.exp2(np.floor(np.log2(scale)))
    coarse = _look_up(asphalt(), ground.across * level, ground.along * level * 0.35)
    fine = _look_up(asphalt(), ground.across * level * 2, ground.along * level * 0.7)
    share = (255 * (scale / level - 1)).clip(0, 255).astype(np.uint8)
    grain = cv2.add(cv2.multiply(fine, share, scale=1 / 255), cv2.multiply(coarse, 255 - share, scale=1 / 255))
    stains = _look_up(clouds(), ground.across * 18 + rng.uniform(0, 512), ground.along * 7)
    grey = cv2.addWeighted(grain.astype(np.uint8, copy=False), 0.8, stains, 0.3, -13)
    return paint(grey.astype(np.uint8, copy=False), colour, rng.uniform(0.3, 0.5))


def _slabs(ground: _Ground, canvas: Canvas, colour: Colour, rng: np.random.Generator) -> Pixels:
    """Paving (h, W, 3); far away the slabs are larger, so that they can still be told apart."""
    side, turn = rng.uniform(0.55, 1.0), rng.choice([0.0, 0.0, np.pi / 4])
    tile = paving(int(rng.integers(3)))
    far = np.exp2(np.floor(np.log2(np.maximum(ground.depth / 9, 1))))
    u, v = (w * (SLAB / side) / far for w in (ground.across, ground.along))
    grey = _look_up(tile, u * np.cos(turn) - v * np.sin(turn), u * np.sin(turn) + v * np.cos(turn))
    return paint(grey, colour, rng.uniform(0.45, 0.7))


def _kerbs(colours: Pixels, ground: _Ground, layout: Layout, stone: Colour) -> None:
    """Kerb stones between sidewalk and road: a bright edge before the paving."""
    edge = np.abs(np.abs(ground.across) - layout.half) < _KERB
    colours[edge] = stone


def _paint_lines(colours: Pixels, canvas: Canvas, layout: Layout, top: int, rng: np.random.Generator) -> None:
    mask = np.zeros(canvas.labels.shape, np.uint8)
    fill(mask, (canvas.camera.outline(points) for points in markings(layout, rng)))
    worn = patch(asphalt(), rng, colours.shape[:2], 1.5 * canvas.unit)
    tone = canvas.light.on(hsv(rng.choice([0.13, 0.6]), rng.choice([0.05, 0.05, 0.5]), rng.uniform(0.8, 1.0)), (0.0, 1.0, 0.0))
    share = cv2.multiply(mask[top:], cv2.add(worn, 90), scale=0.9 / 255)  # type: ignore[call-overload]
    share = cv2.merge([share] * 3)
    lines = cv2.multiply(np.full_like(colours, tone), share, scale=1 / 255)
    cv2.add(cv2.multiply(colours, 255 - share, scale=1 / 255), lines, colours)


def _shade(colours: Pixels, canvas: Canvas, shadows: list[Floats], top: int) -> None:
    mask = np.zeros(canvas.labels.shape, np.uint8)
    fill(mask, shadows, round(255 * canvas.light.shadow))
    soft = 255 - cv2.GaussianBlur(mask[top:], (0, 0), 1.2 * canvas.unit)
    cv2.multiply(colours, cv2.merge([soft] * 3), colours, scale=1 / 255)


def _enter(canvas: Canvas, ground: _Ground, colours: Pixels, road: npt.NDArray[np.bool_], top: int) -> None:
    labels = np.where(road, np.uint8(ROAD), np.uint8(SIDEWALK))
    np.copyto(canvas.image[top:], colours, where=ground.seen[..., None])
    np.copyto(canvas.labels[top:], labels, where=ground.seen)
    np.copyto(canvas.instances[top:], labels, where=ground.seen)
    np.copyto(canvas.depth[top:], ground.depth, where=ground.seen)
