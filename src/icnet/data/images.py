"""Read images and label maps from files; write them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from icnet.data.labels import ClassTable
from icnet.errors import DataError
from icnet.files import writing

Pixels = npt.NDArray[np.uint8]
_PNG_BIT_DEPTH = 24
_PNG_COLOR_TYPE = 25  # offset of this byte in a PNG file; 3 says that the pixels are places in a palette
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}  # what stands at the end of a whole file, within
_TAIL = 1024  # bytes
_EXIF_ORIENTATION = 0x0112
_FIRST_ON_ITS_SIDE = 5  # orientations 5 to 8 stand for a quarter turn, which OpenCV makes
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def read_image(path: Path) -> Pixels:
    """(H, W, 3) uint8, red first."""
    return _decode(path, _bytes(path), cv2.IMREAD_COLOR_RGB)


def read_size(path: Path) -> tuple[int, int]:
    """(height, width) as `read_image` returns it, from the header alone; DataError where the file's end is not there."""
    try:
        with path.open("rb") as file, Image.open(file) as image:
            width, height = image.size
            decodes = image.format == "PNG" and "exif" not in image.info  # to look for it behind the pixels
            orientation = 1 if decodes else image.getexif().get(_EXIF_ORIENTATION, 1)
            turned = orientation >= _FIRST_ON_ITS_SIDE and image.format != "TIFF"  # whose size Pillow turns itself
            file.seek(max(path.stat().st_size - _TAIL, 0))
            end = _ENDS.get(image.format or "", b"")
            if end not in file.read():
                image.load()  # data may follow the end of a JPEG: only reading it tells
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise _unreadable(path, error) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _broken(path) from error
    return (width, height) if turned else (height, width)


def read_label(path: Path, classes: ClassTable, train_ids: bool | None = None) -> Pixels:
    """(H, W) uint8 train ids; 255 where a pixel is ignored.

    Grey and palette files hold ids, colour files the colours of `classes`.
    train_ids: whether those ids are train ids; None: where the name ends in labelTrainIds.
    """
    pixels = read_raw_label(path)
    if pixels.ndim == 3:
        return classes.from_colors(pixels, path)
    return classes.to_train_ids(
        pixels, path, train_ids=path.stem.endswith("labelTrainIds") if train_ids is None else train_ids
    )


def read_pair(image: Path, label: Path, classes: ClassTable, train_ids: bool | None = None) -> tuple[Pixels, Pixels]:
    """An image and its label map, of equal size. train_ids: as `read_label`."""
    pixels, ids = read_image(image), read_label(label, classes, train_ids)
    if pixels.shape[:2] != ids.shape:
        raise DataError(
            f"{image} is {_size(pixels)} but its label {label} is {_size(ids)}: "
            "a label map has the size of its image; resize it with nearest neighbour or export it again"
        )
    return pixels, ids


def write_image(path: Path, pixels: npt.NDArray[np.integer[Any]]) -> None:
    """Write (H, W) or (H, W, 3) red-first pixels, 8 or 16 bits, in the format of the suffix; whole or not at all."""
    try:
        done, data = cv2.imencode(path.suffix, pixels[:, :, ::-1] if pixels.ndim == 3 else pixels)
    except cv2.error:
        done = False
    if not done:
        raise DataError(f"{path} cannot be written: OpenCV has no encoder for {path.suffix!r}; use .png or .jpg")
    with writing(path) as part:
        part.write_bytes(data.tobytes())


def read_raw_label(path: Path) -> Pixels:
    """What a label file holds: (H, W) ids, or (H, W, 3) colours, red first."""
    data = _bytes(path)
    if data[:4] == b"\x89PNG" and len(data) > _PNG_COLOR_TYPE and data[_PNG_COLOR_TYPE] == 3:
        return _palette_ids(path, data)
    pixels = _decode(path, data, cv2.IMREAD_UNCHANGED)
    if data[:4] == b"\x89PNG" and data[_PNG_BIT_DEPTH] < 8:
        pixels = pixels // (255 // (2 ** data[_PNG_BIT_DEPTH] - 1))  # OpenCV stretched 0..1, 0..3 or 0..15 to 0..255
    if pixels.dtype != np.uint8:
        if pixels.max() > 255:
            raise DataError(
                f"{path} holds {pixels.dtype} values up to {pixels.max()}: label maps hold class ids of 0..255"
            )
        pixels = pixels.astype(np.uint8)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 2::-1])


def read_instance_ids(path: Path) -> npt.NDArray[np.int32]:
    """(H, W) of Cityscapes' *_instanceIds.png, 16 bits: label id * 1000 + number, or a label id below 1000."""
    pixels = _decode(path, _bytes(path), cv2.IMREAD_UNCHANGED)
    if pixels.ndim != 2:
        raise DataError(f"{path} has {pixels.shape[2]} channels: instance ids are one grey value of 16 bits a pixel")
    return pixels.astype(np.int32)


def _palette_ids(path: Path, data: bytes) -> Pixels:
    """OpenCV would turn the places of a palette into colours."""
    try:
        return np.asarray(Image.open(io.BytesIO(data)))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise _broken(path) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _decode(path: Path, data: bytes, flags: int) -> Pixels:
    if data.startswith(b"\x89PNG") and _ENDS["PNG"] not in data[-_TAIL:]:
        raise _broken(path)  # cut off: OpenCV would notice, too, but print a line of its own
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise _broken(path)
    return pixels  # type: ignore[return-value]


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be read ({error.strerror}): check the path and its permissions")


def _broken(path: Path) -> DataError:
    what = "is not a readable image (broken or cut off)" if path.stat().st_size else "is empty (0 bytes)"
    return DataError(f"{path} {what}: copy or download it again")


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"
