"""Trees, bushes and hedges of a street scene."""

from __future__ import annotations

import cv2
import numpy as np

from icnet.streets.camera import Floats
from icnet.streets.canvas import VEGETATION, Canvas, Pixels, fixed
from icnet.streets.layout import Spot
from icnet.streets.light import Colour, dim, hsv, mix
from icnet.streets.texture import foliage, patch, ramp

_UP = np.array([0.0, 1.0, 0.0])
_SEASONS = (  # hue and saturation: summer's greens, autumn, blossom, winter
    (0.3, 0.55),
    (0.24, 0.55),
    (0.27, 0.6),
    (0.36, 0.45),
    (0.14, 0.65),
    (0.08, 0.65),
    (0.03, 0.6),
    (0.94, 0.35),
    (0.6, 0.12),
)


def draw_leaves(rng: np.random.Generator, season: int) -> Colour:
    """The colour of a plant's leaves: mostly what the season of the scene has, now and then another."""
    hue, saturation = _SEASONS[season if rng.random() < 0.75 else rng.integers(len(_SEASONS))]
    return hsv(hue + rng.normal(0, 0.02), saturation * rng.uniform(0.5, 1.3), rng.uniform(0.35, 0.95))


def season(rng: np.random.Generator) -> int:
    """Choose a time of the year, for draw_leaves."""
    return int(rng.choice(len(_SEASONS), p=(0.17, 0.17, 0.14, 0.12, 0.1, 0.1, 0.08, 0.07, 0.05)))


def draw_tree(canvas: Canvas, spot: Spot, leaves: Colour, rng: np.random.Generator) -> None:
    """A tree, broad, slender or pointed, on its trunk."""
    trunk = spot.height * rng.uniform(0.22, 0.34)
    scale = canvas.camera.focal / spot.depth
    foot, top = canvas.camera.project(np.array([spot.base, spot.base + _UP * 1.4 * trunk]))
    bark = canvas.light.on(hsv(rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.6)))
    width = 0.035 * spot.height * scale
    (x0, y0), (x1, y1) = foot.tolist(), top.tolist()
    canvas.limb((x0, y0), (x1, y1), (width, width * 0.7), dim(bark, 0.7))
    canvas.limb((x0 - 0.3 * width, y0), (x1 - 0.3 * width, y1), (width * 0.5, width * 0.35), bark)
    canvas.finish(VEGETATION, spot.depth)
    shape = _SHAPES[rng.choice(3, p=(0.65, 0.17, 0.18))](rng)
    crown = spot.height - trunk
    shape = shape * (crown, crown, crown) + (0.0, trunk, 0.0)
    _crown(canvas, spot, shape, leaves, rng)


def draw_bush(canvas: Canvas, spot: Spot, leaves: Colour, rng: np.random.Generator) -> None:
    """A bush that reaches to the ground."""
    shape = np.stack([rng.normal(0, 0.45, 6), rng.uniform(0.25, 0.6, 6), rng.uniform(0.28, 0.42, 6)], axis=1)
    _crown(canvas, spot, shape * spot.height, leaves, rng)


def draw_hedge(canvas: Canvas, ends: Floats, height: float, leaves: Colour, rng: np.random.Generator) -> None:
    """A trimmed hedge between two points of the ground (2, 3)."""
    a, b = ends
    length, depth = float(np.linalg.norm(b - a)), max(canvas.camera.depth(a), 4.0)
    scale = min(canvas.camera.focal / depth, 26 * canvas.unit)
    grey = patch(
        foliage(),
        rng,
        (round(height * scale) + 2, min(round(length * scale), round(700 * canvas.unit)) + 2),
        0.6 * canvas.unit,
    )
    outline = canvas.camera.outline(np.array([a, b, b + _UP * height, a + _UP * height]))
    top = a + _UP * height
    plane = canvas.camera.plane(top, (b - a) / grey.shape[1], -_UP * height / grey.shape[0])
    canvas.plane(
        plane, cv2.applyColorMap(grey, _tones(canvas, leaves)).astype(np.uint8, copy=False), outline, VEGETATION
    )


def _crown(canvas: Canvas, spot: Spot, puffs: Floats, leaves: Colour, rng: np.random.Generator) -> None:
    """Leaves in the union of discs: puffs (N, 3) are x, y and radius in metres from the foot, seen from the camera."""
    scale = canvas.camera.focal / spot.depth
    foot, head = canvas.camera.project(np.array([spot.base, spot.base + _UP]))
    up = (head - foot) / max(float(np.hypot(*(head - foot))), 1e-6)
    right = np.array([-up[1], up[0]])
    middles = foot + scale * (puffs[:, :1] * right + puffs[:, 1:2] * up)
    radii = scale * puffs[:, 2:]
    box = canvas.box(np.concatenate([middles - radii * 1.15, middles + radii * 1.15]))
    size = (box[0].stop - box[0].start, box[1].stop - box[1].start)
    if min(size) < 2:
        return
    zoom = float(np.clip(scale / 36 / canvas.unit, 0.5, 1.5)) * canvas.unit
    leaf = patch(foliage(), rng, size, zoom)
    mask, tone = _volume(canvas, middles - (box[1].start, box[0].start), radii[:, 0], size)
    edge = cv2.addWeighted(mask, 1.0, leaf, 0.8, -102.0)
    alpha = cv2.convertScaleAbs(np.maximum(edge, 96) - 96, alpha=6.0)
    grey = cv2.addWeighted(leaf, 0.7, tone, 0.7, -45.0)
    colours = cv2.applyColorMap(grey, _tones(canvas, leaves)).astype(np.uint8, copy=False)
    canvas.stamp(box, colours, alpha.astype(np.uint8, copy=False), VEGETATION, spot.depth)


def _volume(canvas: Canvas, middles: Floats, radii: Floats, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """The soft silhouette (h, w) of some discs, and how brightly they are lit, each from one side."""
    mask, tone = np.zeros(size, np.uint8), np.full(size, 90, np.uint8)
    sun = canvas.camera.axes[:2] @ np.array(canvas.light.to_sun)
    for middle, radius in zip(middles, radii, strict=True):
        where, reach = fixed(middle), round(16 * float(radius))
        cv2.circle(mask, (int(where[0]), int(where[1])), reach, 255, -1, cv2.LINE_8, 4)
        cv2.circle(tone, (int(where[0]), int(where[1])), reach, 105.0, -1, cv2.LINE_8, 4)
        lit = fixed(middle + (sun * 0.4 - (0, 0.25)) * radius)
        cv2.circle(tone, (int(lit[0]), int(lit[1])), round(reach * 0.62), 178.0, -1, cv2.LINE_8, 4)
    soft = 0.1 * float(radii.mean()) + 0.5
    smooth = cv2.GaussianBlur(mask, (0, 0), min(soft, 3 * canvas.unit)), cv2.blur(tone, (2 * int(soft * 1.5) + 1,) * 2)
    return smooth[0].astype(np.uint8, copy=False), smooth[1].astype(np.uint8, copy=False)


def _tones(canvas: Canvas, leaves: Colour) -> Pixels:
    lit = canvas.light.on(leaves, (0.0, 0.8, -0.3))
    shaded = canvas.light.on(dim(leaves, 0.4), (0.0, 0.2, 0.0))
    return ramp(shaded, mix(shaded, lit, 0.6), dim(lit, 1.3))


def _broad(rng: np.random.Generator) -> Floats:
    around = np.linspace(0, 2 * np.pi, 7)[:-1] + rng.uniform(0, 1)
    ring = np.stack([0.3 * np.cos(around), 0.5 + 0.26 * np.sin(around), rng.uniform(0.2, 0.29, 6)], axis=1)
    return np.concatenate([ring, [[0.0, 0.5, 0.33]]])


def _slender(rng: np.random.Generator) -> Floats:
    up = np.linspace(0.1, 0.9, 7)
    return np.stack([rng.normal(0, 0.02, 7), up, 0.17 * np.sin(0.35 + 2.5 * up)], axis=1)


def _pointed(rng: np.random.Generator) -> Floats:
    up = np.linspace(0.06, 0.94, 9)
    return np.stack([rng.normal(0, 0.02, 9), up, 0.3 * (1.02 - up)], axis=1)


_SHAPES = (_broad, _slender, _pointed)
