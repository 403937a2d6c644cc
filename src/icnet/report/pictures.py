"""The pictures of a page: single frames, and plots."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NamedTuple

import cv2

from icnet.data.images import Pixels
from icnet.errors import DataError
from icnet.visualize.examples import Example, read_examples

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_LONGEST, _QUALITY = 560, 85  # rows or columns of a frame, and how WebP keeps it


class Picture(NamedTuple):
    """width and height: in pixels. source: the picture itself, as `embed` writes it."""

    title: str
    width: int
    height: int
    source: str


def read_plot(path: Path) -> Picture:
    """A PNG, titled by its name."""
    data = _read(path)
    if not data.startswith(_PNG) or not data.endswith(_PNG_END):
        raise DataError(f"{path} is not a whole PNG: delete it, or run the task again")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))  # the header comes first in every PNG
    return Picture(path.stem.replace("_", " ").capitalize(), width, height, embed(data, "png"))


def embed_frame(title: str, pixels: Pixels) -> Picture:
    """A frame (H, W, 3), red first, made smaller for a page."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: Pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return Picture(title, *size, embed_pixels(small, _QUALITY))


def embed_examples(folder: Path) -> dict[str, list[tuple[Example, dict[str, str]]]]:
    """The frames of each group of folder/examples/, with their pictures by kind, as `embed` writes them."""
    return {
        group: [
            (frame, {kind: embed(_read(path), "webp") for kind, path in frame.pictures.items()}) for frame in frames
        ]
        for group, frames in read_examples(folder).items()
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): delete it, or run the task again") from error


def embed(data: bytes, kind: str) -> str:
    """The address of a picture that is part of the page. kind: png, webp."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def embed_pixels(pixels: Pixels, quality: int) -> str:
    """(H, W, 3), red first, as the address of a WebP. quality: 1 to 100, above that without loss."""
    _, data = cv2.imencode(".webp", pixels[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    return embed(data.tobytes(), "webp")
