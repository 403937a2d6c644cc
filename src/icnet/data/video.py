"""Read videos frame by frame, and write them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import cv2

from icnet.data.images import Pixels
from icnet.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
USUAL_FPS = 25.0  # for files that do not tell
_FASTEST_FPS = 1000.0  # above it a container tells its clock, not its frames


class VideoReader:
    """The frames of a video in order, upright as the file says.

    title: what it is called. name: the same as the name of a file. fps: frames a second. frames: how many it announces;
    None where it does not tell. live: whether they come at their own pace. broke: why they ended before they should have.
    """

    fps = USUAL_FPS
    frames: int | None = None
    live = False
    broke: str | None = None

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"there is no video {path}: check the path")
        self.title, self.name = str(path), path.stem
        if not self._open(str(path)):
            raise DataError(
                f"{path} cannot be opened as a video (broken, cut off, or a codec that OpenCV lacks): "
                "copy it again, or convert it to H.264 in .mp4"
            )

    def _open(self, *arguments: Any) -> bool:
        """Whether OpenCV can; arguments: those of its VideoCapture."""
        _silence_ffmpeg()
        self._capture = cv2.VideoCapture(*arguments)
        fps, frames = (self._capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.fps = fps if math.isfinite(fps) and 0 < fps <= _FASTEST_FPS else USUAL_FPS
        self.frames = int(frames) if math.isfinite(frames) and frames > 0 else None
        return self._capture.isOpened()

    def read(self) -> Pixels | None:
        """The next frame (H, W, 3), red first; None after the last one."""
        done, frame = self._capture.read()
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if done else None  # type: ignore[return-value]


class VideoWriter:
    """Writes MPEG-4 to a path that ends in .mp4: every build of OpenCV encodes it, the usual players play it.

    The codec wants even sizes: an odd last row or column is left out. What cannot be written raises OSError.
    """

    def __init__(self, path: Path, fps: float) -> None:
        _silence_ffmpeg()
        self.path, self.fps, self.written = path, fps, 0
        self._writer: cv2.VideoWriter | None = None

    def write(self, frame: Pixels) -> None:
        """Add a frame (H, W, 3), red first; all have the size of the first one."""
        if self._writer is None:
            self._writer = self._open(*frame.shape[:2])
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.written += 1

    def close(self) -> None:
        """Finish the file. OpenCV does not tell when the disk was full, so the frames are counted."""
        if self._writer is None:
            return
        self._writer.release()
        try:
            whole = VideoReader(self.path).frames == self.written
        except DataError:
            whole = False
        if not whole:
            raise OSError(f"not all of its {self.written} frames went into the file")

    def _open(self, height: int, width: int) -> cv2.VideoWriter:
        writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*"mp4v"), self.fps, (width, height))
        if not writer.isOpened():
            raise OSError(f"frames of {height}x{width} at {self.fps:g} a second; MPEG-4 has at most 8191x8191")
        return writer


def _silence_ffmpeg() -> None:
    """Its own lines name neither file nor remedy. It looks here once, when OpenCV first uses it."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
