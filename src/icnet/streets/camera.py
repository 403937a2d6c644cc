"""The camera of a street scene: where points and planes of the world (metres) lie in the frame (pixels)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

_NEAR = 0.8  # metres; what lies nearer is cut off


class Camera(NamedTuple):
    """A pinhole camera. The world has x to the right, y up, and z along the street.

    focal and centre are in pixels, position in metres; the rows of axes are the camera's right, down and forward.
    """

    height: int
    width: int
    focal: float
    centre: tuple[float, float]
    position: Floats
    axes: Floats

    def view(self, points: Floats) -> Floats:
        """World points (N, 3) as the camera sees them: metres to the right, down and ahead."""
        return (points - self.position) @ self.axes.T

    def project(self, points: Floats) -> Floats:
        """World points (N, 3) in front of the camera as pixels (N, 2), x first; points behind land at the near plane."""
        seen = self.view(points)
        return seen[:, :2] * (self.focal / np.maximum(seen[:, 2:], _NEAR)) + self.centre

    def see(self, point: tuple[float, float, float]) -> tuple[float, float, float]:
        """x and y in pixels of a world point, and its depth in metres; one point is faster by hand than by numpy."""
        x, y, z = (p - q for p, q in zip(point, self.position.tolist(), strict=True))
        right, down, ahead = (a * x + b * y + c * z for a, b, c in self.axes.tolist())
        scale = self.focal / max(ahead, _NEAR)
        return self.centre[0] + scale * right, self.centre[1] + scale * down, ahead

    def depth(self, point: Floats) -> float:
        """Metres ahead of the camera, along its axis."""
        return float((point - self.position) @ self.axes[2])

    def outline(self, points: Floats) -> Floats:
        """The pixels (M, 2) of a convex world polygon (N, 3), cut at the near plane; M is 0 where all of it is behind."""
        seen = _cut(self.view(points))
        return seen[:, :2] * (self.focal / seen[:, 2:]) + self.centre

    def plane(self, origin: Floats, u: Floats, v: Floats) -> Floats:
        """The homography (3, 3) from (u, v, 1) in metres on a plane to pixels; its third row gives the depth in metres."""
        columns = np.stack([self.axes @ u, self.axes @ v, self.axes @ (origin - self.position)], axis=1)
        cx, cy = self.centre
        return np.array([[self.focal, 0, cx], [0, self.focal, cy], [0, 0, 1]]) @ columns

    def rays(self) -> tuple[Floats, Floats, Floats]:
        """x, y and z of the world direction of each pixel's ray, (H, W) each, one metre long along the camera's axis."""
        x = (np.arange(self.width, dtype=np.float32) - self.centre[0]) / self.focal
        y = (np.arange(self.height, dtype=np.float32)[:, None] - self.centre[1]) / self.focal
        right, down, ahead = self.axes.astype(np.float32)
        return tuple(right[i] * x + down[i] * y + ahead[i] for i in range(3))


def axes(yaw: float, pitch: float, roll: float) -> Floats:
    """The camera's right, down and forward directions as rows (3, 3); angles in radians, pitch looks up, yaw right."""
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    up = np.cross(forward, right)
    return np.stack(
        [right * np.cos(roll) + up * np.sin(roll), right * np.sin(roll) - up * np.cos(roll), forward],
    )


def _cut(seen: Floats) -> Floats:
    """Clip a convex polygon (N, 3) of the camera's own frame at the near plane."""
    ahead = seen[:, 2] - _NEAR
    if ahead.min() >= 0:
        return seen
    kept: list[Floats] = []
    for i in range(len(seen)):
        a, b, da, db = seen[i - 1], seen[i], ahead[i - 1], ahead[i]
        if (da < 0) != (db < 0):
            kept.append(a + (b - a) * (da / (da - db)))
        if db >= 0:
            kept.append(b)
    return np.array(kept).reshape(-1, 3)
