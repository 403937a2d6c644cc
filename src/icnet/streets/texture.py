"""Grey textures that repeat without a seam, painted once per process: what tells the classes of a street scene apart."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from icnet.streets.camera import Floats
from icnet.streets.canvas import Pixels
from icnet.streets.light import Colour, dim

SIDE = 512  # pixels of a texture, both ways
SLAB = 64  # pixels of a paving slab, both ways


@lru_cache(maxsize=1)
def clouds() -> Pixels:
    """Soft heaps of several sizes."""
    rng = np.random.default_rng(1)
    heaps = sum(_lumps(rng, cells) / cells**0.9 for cells in (4, 8, 16, 32, 64))
    return _stretched(np.asarray(heaps))


@lru_cache(maxsize=1)
def asphalt() -> Pixels:
    """Fine grain of some pixels, with light and dark chips."""
    rng = np.random.default_rng(2)
    grain = 0.8 * _lumps(rng, 256) + 0.8 * _lumps(rng, 128) + 0.25 * _lumps(rng, 16)
    chips = cv2.resize((rng.random((SIDE // 2, SIDE // 2)) < 0.025).astype(np.float32), (SIDE, SIDE))
    return _stretched(grain + 3.0 * chips * rng.choice([-1.0, 1.0], (SIDE, SIDE)))


@lru_cache(maxsize=1)
def foliage() -> Pixels:
    """Leaves: thousands of small ellipses, the lit ones on top of the shaded ones."""
    rng = np.random.default_rng(3)
    tile = np.full((SIDE, SIDE), 40, np.uint8)
    count = 5200
    middles, tones = rng.uniform(0, SIDE, (count, 2)), np.sort(rng.normal(125, 48, count)).clip(15, 250)
    rng.shuffle(tones[count // 3 :])
    for (x, y), tone, size, turn in zip(
        middles, tones, rng.uniform(3, 7.5, count), rng.uniform(0, 180, count), strict=True
    ):
        for dx in (0, SIDE if x < 12 else -SIDE if x > SIDE - 12 else 0):
            for dy in (0, SIDE if y < 12 else -SIDE if y > SIDE - 12 else 0):
                where = (round(16 * (x + dx)), round(16 * (y + dy)))
                axes = (round(16 * size), round(10 * size))
                cv2.ellipse(tile, where, axes, turn, 0, 360, float(tone), -1, cv2.LINE_AA, 4)
    return tile


@lru_cache(maxsize=3)
def paving(pattern: int) -> Pixels:
    """Slabs of many greys between dark joints: 0 in a grid, 1 in a running bond, 2 a larger and three smaller ones."""
    rng = np.random.default_rng(4 + pattern)
    tile = np.full((SIDE, SIDE), 40, np.uint8)
    for row in range(SIDE // SLAB):
        for column in range(SIDE // SLAB):
            x, y = column * SLAB + (SLAB // 2 if pattern == 1 and row % 2 else 0), row * SLAB
            parts = _quarters(x, y) if pattern == 2 and (row + column) % 2 else [(x, y, SLAB)]
            for left, top, side in parts:
                tone = float(np.clip(rng.normal(150, 36), 80, 235))
                for x0 in (left, left - SIDE):
                    cv2.rectangle(tile, (x0 + 3, top + 3), (x0 + side - 4, top + side - 4), tone, -1)
    grain = (asphalt().astype(np.float32) - 128) * 0.22
    return _bytes(cv2.GaussianBlur(tile, (0, 0), 1.0) + grain)


@lru_cache(maxsize=25)
def wall(material: int, halvings: int = 0) -> Pixels:
    """A wall of 10 by 10 metres: 0 bricks, 1 plaster, 2 boards, 3 stone blocks, 4 panels; mean grey 128.

    halvings: how often its SIDE pixels were halved, for walls that are seen from afar.
    """
    if halvings:
        return cv2.resize(wall(material, halvings - 1), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(
            np.uint8
        )
    rng = np.random.default_rng(8 + material)
    rows, long, bond = ((26, 20, 1), (1, 1, 0), (24, 1, 0), (10, 8, 1), (4, 5, 0))[material]
    tile = np.full((SIDE, SIDE), 128, np.float32)
    for row in range(rows if material != 1 else 0):
        shift = 0.5 * (row % 2) * bond
        top, bottom = (round(r * SIDE / rows) for r in (row, row + 1))
        for column in range(-1, long):
            left, right = (round((c + shift) * SIDE / long) for c in (column, column + 1))
            tone = rng.normal(140, 20 if material != 4 else 8)
            cv2.rectangle(tile, (left + 1, top + 1), (right - 2, bottom - 2), float(tone), -1)
            cv2.rectangle(tile, (left, top), (right, bottom), 70.0, 2 if material != 4 else 3)
    tile += (clouds().astype(np.float32) - 128) * 0.18 + (asphalt().astype(np.float32) - 128) * 0.12
    return _bytes(tile + 128 - tile.mean())


def patch(tile: Pixels, rng: np.random.Generator, size: tuple[int, int], zoom: float) -> Pixels:
    """A piece (height, width) = `size` from anywhere in a texture, whose details are `zoom` times as large."""
    rows, columns = (max(2, round(n / zoom)) for n in size)
    if rows <= len(tile) and columns <= len(tile):  # most often; a view costs nothing
        top, left = rng.integers(0, len(tile) - rows + 1), rng.integers(0, len(tile) - columns + 1)
        piece = tile[top : top + rows, left : left + columns]
    else:
        piece = tile.take(np.arange(rows), axis=0, mode="wrap").take(np.arange(columns), axis=1, mode="wrap")
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return cv2.resize(piece, size[::-1], interpolation=way).astype(np.uint8, copy=False)


def ramp(dark: Colour, middle: Colour, light: Colour) -> Pixels:
    """A table (256, 1, 3) for cv2.applyColorMap, from grey to colours that run through the three given ones."""
    stops = np.array([dark, middle, light, dim(light, 1.1)])
    table = [np.interp(np.arange(256), [20, 120, 220, 255], stops[:, c]) for c in range(3)]
    return np.stack(table, axis=1)[:, None].clip(0, 255).astype(np.uint8)


def paint(grey: Pixels, colour: Colour, contrast: float) -> Pixels:
    """A grey texture (h, w) of mean 128 as paint of one colour (h, w, 3), lighter and darker by up to `contrast`."""
    tones = 1 + contrast * (np.arange(256)[:, None] - 128.0) / 128
    table = (tones * np.array(colour))[:, None].clip(0, 255).astype(np.uint8)
    return cv2.applyColorMap(grey, table).astype(np.uint8, copy=False)


def _quarters(x: int, y: int) -> list[tuple[int, int, int]]:
    half = SLAB // 2
    return [(x + dx, y + dy, half) for dx in (0, half) for dy in (0, half)]


def _lumps(rng: np.random.Generator, cells: int) -> Floats:
    """Smooth noise (SIDE, SIDE) of unit variance with `cells` lumps each way, which repeats without a seam."""
    grid = np.pad(rng.standard_normal((cells, cells), dtype=np.float32), 2, mode="wrap")
    step = SIDE // cells
    smooth = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)[2 * step :, 2 * step :][
        :SIDE, :SIDE
    ]
    return np.asarray(smooth / smooth.std(), np.float32)


def _stretched(values: Floats) -> Pixels:
    """Values as greys of mean 128, with two standard deviations at about 30 and 225."""
    return _bytes(128 + 48 * (values - values.mean()) / values.std())


def _bytes(values: Floats) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), np.uint8)
