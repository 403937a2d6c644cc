"""What the header and the end of an image file tell without its pixels."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from icnet.data.images import ENDS, TAIL, broken, orientation_of, read_image, unreadable

_FIRST_ON_ITS_SIDE = 5  # orientations 5 to 8 stand for a quarter turn, which OpenCV makes


class Header(NamedTuple):
    """size: (height, width) as `read_image` returns it. orientation: its EXIF tag, 1 for upright. pages: images in it.

    format, mode, compression: as Pillow calls them.
    """

    size: tuple[int, int]
    orientation: int
    pages: int
    format: str | None
    mode: str
    compression: object

    @property
    def is_jpeg(self) -> bool:
        return self.format == "JPEG"

    @property
    def kind(self) -> Hashable:
        """What files share that are read in the same way."""
        return self.format, self.mode, self.compression

    @property
    def is_turned(self) -> bool:
        """Whether what is stored lies on its side."""
        return self.orientation >= _FIRST_ON_ITS_SIDE


def read_size(path: Path) -> tuple[int, int]:
    """(height, width) as `read_image` returns it."""
    return read_header(path).size


def read_header(path: Path) -> Header:
    """DataError where it is no header of an image, or where the file's end is not there."""
    try:
        with path.open("rb") as file, Image.open(file) as image:
            width, height = image.size
            orientation, pages = orientation_of(image), getattr(image, "n_frames", 1)
            turned = orientation >= _FIRST_ON_ITS_SIDE and image.format != "TIFF"  # whose size Pillow turns itself
            file.seek(max(path.stat().st_size - TAIL, 0))
            end = ENDS.get(image.format or "", b"")
            if end not in file.read():
                image.load()  # data may follow the end of a JPEG: only reading it tells
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise unreadable(path, error) from error
    except UnidentifiedImageError:
        return Header(read_image(path).shape[:2], 1, 1, None, path.suffix, None)  # Pillow does not know all kinds
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise broken(path) from error
    size = (width, height) if turned else (height, width)
    return Header(size, orientation, pages, image.format, image.mode, image.info.get("compression"))
