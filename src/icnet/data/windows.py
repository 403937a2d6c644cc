"""Where a random scale and crop lie in a frame, and cutting them out: only the source window is read and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from icnet.data.images import Pixels


class Source(Protocol):
    """What windows are cut from: an array (H, W, ...), or one of which only the rows that a window needs are read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, window: tuple[slice, slice], /) -> Pixels: ...


class Window(NamedTuple):
    """A source window (top, left, height, width), the (height, width) it is scaled to, and its place in the crop."""

    top: int
    left: int
    height: int
    width: int
    scaled: tuple[int, int]
    offset: tuple[int, int]


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


def cut_window(
    pixels: Source, window: Window, crop: tuple[int, int], interpolation: int, fill: Sequence[int]
) -> Pixels:
    """The window, scaled and padded to a crop, in memory of its own. interpolation: OpenCV's, e.g. cv2.INTER_LINEAR."""
    source = pixels[window.top : window.top + window.height, window.left : window.left + window.width]
    rows, columns = window.scaled
    scaled = (
        source.copy()
        if source.shape[:2] == window.scaled
        else cv2.resize(source, (columns, rows), interpolation=interpolation)
    )
    if window.scaled == crop:
        return scaled  # type: ignore[return-value]
    down, right = window.offset
    below, beside = crop[0] - rows - down, crop[1] - columns - right
    return cv2.copyMakeBorder(scaled, down, below, right, beside, cv2.BORDER_CONSTANT, value=fill)  # type: ignore[return-value]
