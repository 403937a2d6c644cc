"""The canvas of a street scene: image, labels, instances and depth, painted from back to front."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from icnet.streets.camera import Camera, Floats
from icnet.streets.light import Colour, Light

ROAD, SIDEWALK, BUILDING, POLE, SIGN, VEGETATION, SKY, PERSON, RIDER, CAR = 7, 8, 11, 17, 20, 21, 23, 24, 25, 26
WITH_INSTANCES = (PERSON, RIDER, CAR)

_INK = 0.6  # how much darker the rims of things are, 0..1
_EDGE = (34.0, 32.0, 40.0)  # the colour of the lines around planes
_SHIFT = 4  # cv2 takes polygon corners in 1/16 of a pixel
Pixels = npt.NDArray[np.uint8]
Box = tuple[slice, slice]
Point = tuple[float, float]  # x, y in pixels


class Canvas:
    """What is painted covers what was there, in all four maps, each of the frame's (H, W).

    A thing is painted in strokes, of which each colours the image and joins the thing's silhouette; `finish` then enters
    the silhouette in labels, instances and depth (metres).
    """

    def __init__(self, camera: Camera, light: Light) -> None:
        size = (camera.height, camera.width)
        self.camera, self.light = camera, light
        self.unit = camera.height / 256  # one 'pixel' of a frame of 256 rows: what the smallest details are measured in
        self.hazy = light.haze > 0.004  # less of it per metre is not worth the time
        self.image = np.zeros((*size, 3), np.uint8)
        self.labels = np.zeros(size, np.uint8)
        self.instances = np.zeros(size, np.uint16)
        self.depth = np.full(size, np.inf, np.float32)
        self._silhouette = np.zeros(size, np.uint8)
        self._counts = dict.fromkeys(WITH_INSTANCES, 0)

    def polygon(self, pixels: Floats, colour: Colour) -> None:
        """A convex polygon (N, 2)."""
        if len(pixels) > 2:
            corners = fixed(pixels)
            cv2.fillConvexPoly(self.image, corners, colour, cv2.LINE_AA, _SHIFT)
            cv2.fillConvexPoly(self._silhouette, corners, 255, cv2.LINE_8, _SHIFT)

    def face(self, points: Floats, colour: Colour) -> None:
        """A convex polygon (N, 3) of the world."""
        self.polygon(self.camera.outline(points), colour)

    def disc(self, middle: Point, radius: float, colour: Colour) -> None:
        """A disc about a pixel."""
        where, reach = (round(16 * middle[0]), round(16 * middle[1])), round(16 * radius)
        cv2.circle(self.image, where, reach, colour, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(self._silhouette, where, reach, 255, -1, cv2.LINE_8, _SHIFT)

    def line(self, pixels: Floats, width: float, colour: Colour) -> None:
        """A line of some pixels' width through points (N, 2)."""
        corners, thick = [fixed(pixels)], max(1, round(width))
        cv2.polylines(self.image, corners, False, colour, thick, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self._silhouette, corners, False, 255, thick, cv2.LINE_8, _SHIFT)

    def limb(self, a: Point, b: Point, radii: tuple[float, float], colour: Colour) -> None:
        """A rounded bar from pixel a to pixel b, as thick as its radii at both ends."""
        (ax, ay), (bx, by) = a, b
        length = math.hypot(bx - ax, by - ay)
        if length > 0.1:
            x, y = (ay - by) / length, (bx - ax) / length  # to the bar's side
            (p, q), (r, s) = ((x * radius, y * radius) for radius in radii)
            self.polygon(np.array([[ax + p, ay + q], [bx + r, by + s], [bx - r, by - s], [ax - p, ay - q]]), colour)
            self.disc(b, radii[1], colour)
        self.disc(a, radii[0], colour)

    def finish(self, label: int, depth: float) -> None:
        """End a thing: what its strokes covered is `label` now, `depth` metres away."""
        left, top, width, height = cv2.boundingRect(self._silhouette)
        if not width:
            return
        box = slice(top, top + height), slice(left, left + width)
        silhouette = self._silhouette[box]
        covered = silhouette > 0
        self._ink(box, silhouette)
        silhouette[:] = 0
        self._enter(box, covered, label)
        self.depth[box][covered] = depth

    def stamp(self, box: Box, colours: Pixels, alpha: Pixels, label: int, depth: float) -> None:
        """Blend colours (h, w, 3) into a box by alpha (h, w) in 0..255; where it is above a half, the pixel is `label`."""
        self.image[box] = blend(self.image[box], colours, alpha)
        covered = alpha > 127
        self._enter(box, covered, label)
        self.depth[box][covered] = depth

    def plane(self, homography: Floats, texture: Pixels, outline: Floats, label: int) -> None:
        """A texture on a plane: homography (3, 3) takes texture pixels to frame pixels, with the depth in its last row.

        outline: the pixels (N, 2) of the convex polygon that shows of it.
        """
        box = self._box(outline.min(axis=0), outline.max(axis=0)) if len(outline) > 2 else None
        if box is None or box[0].start >= box[0].stop or box[1].start >= box[1].stop:
            return
        top, left, size = box[0].start, box[1].start, (box[1].stop - box[1].start, box[0].stop - box[0].start)
        shift = np.array([[1.0, 0, -left], [0, 1.0, -top], [0, 0, 1.0]])
        colours = cv2.warpPerspective(texture, shift @ homography, size, borderMode=cv2.BORDER_REPLICATE)
        mask, corners = np.zeros(size[::-1], np.uint8), fixed(outline - (left, top))
        cv2.fillConvexPoly(mask, corners, 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(colours, mask, self.image[box])
        cv2.polylines(self.image[box], [corners], True, _EDGE, max(1, round(self.unit)), cv2.LINE_AA, _SHIFT)
        for ids in (self.labels, self.instances):
            cv2.fillConvexPoly(ids, fixed(outline), label, cv2.LINE_8, _SHIFT)
        if self.hazy:
            cv2.copyTo(_plane_depth(homography, box), mask, self.depth[box])

    def _ink(self, box: Box, silhouette: Pixels) -> None:
        """Darken the rim of a thing's silhouette, as with a pen."""
        wide = 2 * max(1, round(self.unit)) + 1
        inner = cv2.erode(silhouette, np.ones((wide, wide), np.uint8), borderValue=255)
        share = cv2.addWeighted(silhouette, -_INK, inner, _INK, 255.0)
        image = self.image[box]
        cv2.multiply(image, cv2.merge([share] * 3), image, scale=1 / 255)

    def _enter(self, box: Box, covered: npt.NDArray[np.bool_], label: int) -> None:
        self.labels[box][covered] = label
        instance = label
        if label in self._counts:
            instance = 1000 * label + self._counts[label]
            self._counts[label] += 1
        self.instances[box][covered] = instance

    def _box(self, low: Floats, high: Floats) -> Box:
        """The part of the frame between two corners (x, y), as slices of rows and columns."""
        x0, y0 = (int(v) for v in np.floor(low - 1))
        x1, y1 = (int(v) for v in np.ceil(high + 2))
        height, width = self.labels.shape
        x0, y0 = min(max(x0, 0), width), min(max(y0, 0), height)
        return slice(y0, max(y0, min(y1, height))), slice(x0, max(x0, min(x1, width)))

    def box(self, pixels: Floats) -> Box:
        """The part of the frame around points (N, 2), as slices of rows and columns."""
        return self._box(pixels.min(axis=0), pixels.max(axis=0))


def fixed(pixels: Floats) -> npt.NDArray[np.int32]:
    """Pixels in the 1/16 steps that cv2 draws with."""
    return np.asarray(pixels * 16 + 0.5, np.int32)


def fill(picture: Pixels, polygons: Iterable[Floats], value: float | Colour) -> None:
    """Fill convex polygons (N, 2) in a mask (H, W) or an image (H, W, 3)."""
    for pixels in polygons:
        if len(pixels) > 2:
            cv2.fillConvexPoly(picture, fixed(pixels), value, cv2.LINE_AA, _SHIFT)


def blend(below: Pixels, above: Pixels, alpha: Pixels) -> Pixels:
    """(h, w, 3) colours over others by alpha (h, w) in 0..255."""
    share = cv2.merge([alpha, alpha, alpha])
    kept = cv2.multiply(below, 255 - share, scale=1 / 255)
    return cv2.add(cv2.multiply(above, share, scale=1 / 255), kept).astype(np.uint8, copy=False)


def _plane_depth(homography: Floats, box: Box) -> Floats:
    """The depth (h, w) at each pixel of a box: one over it is linear in the pixel."""
    inverse = np.linalg.inv(homography)[2]
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32)
    y = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]
    return np.asarray(1 / np.maximum(inverse[0] * x + inverse[1] * y + inverse[2], 1e-4), np.float32)
