"""Read what comes at its own pace, a camera or an address: it may stall, break off, or never end."""

from __future__ import annotations

import os
import re
from http.client import HTTPException, HTTPResponse, parse_headers
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPBasicAuthHandler, HTTPDigestAuthHandler, HTTPPasswordMgrWithDefaultRealm, build_opener

import cv2
import numpy as np

from icnet.data.address import hide_login
from icnet.data.images import Pixels
from icnet.data.sources import is_stream
from icnet.data.video import VideoReader
from icnet.errors import DataError

_END = b"\xff\xd9"  # of a JPEG
_LARGEST = 1 << 26  # bytes of a JPEG
_LINE = 1 << 16


def open_video(source: str, timeout_s: float) -> VideoReader:
    """A video file, a camera or an address; DataError where it cannot be opened.

    timeout_s: how long a stream may take to open, and to bring the next frame.
    """
    if not is_stream(source):
        return VideoReader(Path(source).expanduser())
    is_http = source.lower().startswith(("http://", "https://"))
    return MotionJpeg(source, timeout_s) if is_http else StreamReader(source, timeout_s)


class StreamReader(VideoReader):
    """A camera, or an address that OpenCV reads. It has no end of its own: where its frames end, it broke off."""

    live = True

    def __init__(self, source: str, timeout_s: float) -> None:
        self.title = hide_login(source) if "://" in source else f"camera {source}"
        self.name, self._timeout_s = _file_name(self.title), timeout_s
        self._connect(source)

    def _connect(self, source: str) -> None:
        os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = f"{max(self._timeout_s, 1):.0f}"  # seconds, of cameras
        limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        ffmpeg = (cv2.CAP_FFMPEG, [number for limit in limits for number in (limit, int(1e3 * self._timeout_s))])
        if not (self._open(int(source)) if source.isdecimal() else self._open(source, *ffmpeg)):
            raise DataError(
                f"{self.title} cannot be opened within {self._timeout_s:g} s: check that it is there, free, and a video"
            )
        self.broke = f"it was closed, or nothing came for {self._timeout_s:g} s"


class MotionJpeg(StreamReader):
    """The images of an HTTP answer that goes on and on. FFmpeg would not tell whether it ends within one."""

    def _connect(self, source: str) -> None:
        try:
            self._answer = _request(source, self._timeout_s)
        except (OSError, HTTPException, ValueError) as error:
            reason = error if isinstance(error, OSError) else "no address of HTTP, or another answer"
            raise DataError(f"{self.title} cannot be read ({reason}): check the address") from error
        if (kind := self._answer.headers.get_content_type()) != "multipart/x-mixed-replace":
            raise DataError(f"{self.title} is {kind}, no MJPEG (multipart/x-mixed-replace): download it, give its path")

    def read(self) -> Pixels | None:
        """The next image; those that are broken are left out."""
        cut = False
        try:
            while image := self._read_image():
                pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)
                if pixels is not None:
                    return pixels  # type: ignore[return-value]
                cut = True
            self.broke = "it ends within a frame" if cut else None
        except TimeoutError:
            self.broke = f"nothing came for {self._timeout_s:g} s"
        except (OSError, HTTPException, ValueError) as error:
            self.broke = str(error)
        return None

    def _read_image(self) -> bytes:
        """Cut off where the answer ends within it; empty where it ends before."""
        line = b"\n"
        while line.isspace():
            line = self._answer.readline(_LINE)
        if not line or line.rstrip().endswith(b"--"):
            return b""
        length = int(parse_headers(self._answer).get("Content-Length") or 0)
        if length > 0:
            return self._answer.read(min(length, _LARGEST)) or line
        image = bytearray()
        while line and _END not in line and len(image) < _LARGEST:
            line = self._answer.readline(_LINE)
            image += line
        return bytes(image)


def _request(url: str, timeout_s: float) -> HTTPResponse:
    """The answer of an address, with the login that is in it."""
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    logins = HTTPPasswordMgrWithDefaultRealm()
    logins.add_password(None, bare, unquote(parts.username or ""), unquote(parts.password or ""))
    return build_opener(HTTPBasicAuthHandler(logins), HTTPDigestAuthHandler(logins)).open(bare, timeout=timeout_s)


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.-]+", "_", title.partition("://")[2] or title).strip("_.")[:100]
