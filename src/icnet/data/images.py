"""Read images and label maps from files; write them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from icnet.data.labels import LARGEST, ClassTable
from icnet.errors import DataError
from icnet.files import writing
from icnet.model.preprocess import WHOLE_DEPTH

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.uint8 | np.uint16]
_PNG = b"\x89PNG"
_PNG_BIT_DEPTH = 24
_PNG_COLOR_TYPE = 25  # offset of this byte in a PNG file; 3 says that the pixels are places in a palette
ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}  # what stands at the end of a whole file, within
TAIL = 1024  # bytes
_EXIF_ORIENTATION = 0x0112
_QUARTERS = {5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}  # orientations on a side: steps through the transpose
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".gif")
FOREIGN = dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"), "a camera's raw file") | {
    ".heic": "a HEIC photograph", ".heif": "a HEIF photograph", ".avif": "an AVIF image", ".jp2": "a JPEG 2000 image",
    ".exr": "an OpenEXR image", ".psd": "a Photoshop file", ".svg": "a drawing of vectors", ".pdf": "a PDF file",
}  # fmt: skip


def read_image(path: Path, bit_depth: int = WHOLE_DEPTH) -> Pixels:
    """(H, W, 3) uint8, red first, upright, without alpha; of several pages the first.

    bit_depth: how many bits of a 16-bit value are used; the highest eight of these are taken.
    """
    data = _bytes(path)
    if _has_8_bits(data):
        return _decode(path, data, cv2.IMREAD_COLOR_RGB)
    pixels = _decode_any(path, data)
    if pixels.dtype == np.uint16:
        pixels = np.minimum(pixels >> (bit_depth - 8), 255).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def read_largest(path: Path) -> int:
    """The largest value of an image of 16 bits; 0 for one of 8."""
    data = _bytes(path)
    if _has_8_bits(data):
        return 0
    pixels = _decode_any(path, data)
    return int(pixels.max()) if pixels.dtype == np.uint16 else 0


def read_label(path: Path, classes: ClassTable, train_ids: bool | None = None) -> Pixels:
    """(H, W) uint8 train ids; 255 where a pixel is ignored.

    train_ids: whether ids in it are train ids; None: where the name ends in labelTrainIds.
    """
    pixels = read_raw_label(path, classes.form)
    if pixels.ndim == 3:
        return classes.from_colors(pixels, path)
    return classes.to_train_ids(
        pixels, path, train_ids=path.stem.endswith("labelTrainIds") if train_ids is None else train_ids
    )


def read_pair(
    image: Path, label: Path, classes: ClassTable, train_ids: bool | None = None, bit_depth: int = WHOLE_DEPTH
) -> tuple[Pixels, Pixels]:
    """An image and its label map, of equal size. train_ids: as `read_label`."""
    pixels = read_image(image, bit_depth)
    ids = turn_like(read_label(label, classes, train_ids), image, pixels.shape[:2])
    if pixels.shape[:2] != ids.shape:
        raise DataError(
            f"{image} is {_size(pixels)} but its label {label} is {_size(ids)}: "
            "a label map has the size of its image; resize it with nearest neighbour or export it again"
        )
    return pixels, ids


def turn_like(label: Pixels, image: Path, size: tuple[int, ...]) -> Pixels:
    """The label map of a photograph, turned as its EXIF tag says where only that makes it as large: (height, width)."""
    if label.shape == size or label.shape != size[::-1]:
        return label
    with Image.open(image) as header:
        orientation = orientation_of(header)
    if orientation not in _QUARTERS:
        return label
    rows, columns = _QUARTERS[orientation]
    return np.ascontiguousarray(label.T[::rows, ::columns])


def orientation_of(image: Image.Image) -> int:
    """The EXIF tag of an open file; 1: upright."""
    decodes = image.format == "PNG" and "exif" not in image.info  # to look for it behind the pixels
    return 1 if decodes else int(image.getexif().get(_EXIF_ORIENTATION, 1))


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


class RawLabel(NamedTuple):
    """What a label file holds.

    pixels: (H, W) ids, or (H, W, 3) colours, red first. palette: (n, 3), the colours of these ids. alpha: (H, W). None where
    a file has none.
    """

    path: Path
    pixels: Values
    palette: Pixels | None = None
    alpha: Values | None = None

    @property
    def holds_train_ids(self) -> bool:
        """As Cityscapes names files of these; they are what they are, whatever the form of others."""
        return self.path.stem.endswith("labelTrainIds")

    def read_as(self, form: str | None) -> Values:
        """(H, W) ids or (H, W, 3) colours. form: as `ClassTable` says; DataError where the file has another."""
        pixels = self.pixels
        if pixels.ndim == 2 and self.holds_train_ids:
            return pixels
        if form == "alpha":
            if self.alpha is None:
                raise DataError(f"{self.path} has no alpha channel, where data.classes.form=alpha: leave it out")
            return self.alpha
        if form == "colors" and pixels.ndim == 2:
            grey = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
            return (grey if self.palette is None else self.palette)[pixels]
        if form == "ids" and pixels.ndim == 3:
            if (pixels[..., :1] != pixels).any():
                raise DataError(
                    f"{self.path} holds colours, where data.classes.form=ids: write it with one value a pixel"
                )
            return np.ascontiguousarray(pixels[..., 0])
        return pixels


def read_raw_label(path: Path, form: str | None = None) -> Values:
    """What a label file holds, untranslated: see `RawLabel.read_as`."""
    return decode_label(path).read_as(form)


def decode_label(path: Path) -> RawLabel:
    """All that a label file holds; ids above 255 as uint16."""
    data = _bytes(path)
    if data[:4] == _PNG and len(data) > _PNG_COLOR_TYPE and data[_PNG_COLOR_TYPE] == 3:
        return _decode_palette(path, data)
    pixels = _decode(path, data, cv2.IMREAD_UNCHANGED)
    if data[:4] == _PNG and data[_PNG_BIT_DEPTH] < 8:
        pixels = pixels // (255 // (2 ** data[_PNG_BIT_DEPTH] - 1))  # OpenCV stretched 0..1, 0..3 or 0..15 to 0..255
    values = _narrow(path, pixels)
    if values.ndim == 2:
        return RawLabel(path, values)
    alpha = np.ascontiguousarray(values[:, :, 3]) if values.shape[2] == 4 else None
    return RawLabel(path, np.ascontiguousarray(values[:, :, 2::-1]), alpha=alpha)


def _narrow(path: Path, pixels: npt.NDArray[Any]) -> Values:
    """The same values in as few bits as hold them; of colours the higher byte."""
    if pixels.dtype == np.uint8:
        return pixels
    if not np.issubdtype(pixels.dtype, np.integer) or pixels.min() < 0 or pixels.max() > LARGEST:
        raise DataError(
            f"{path} holds {pixels.dtype} values of {pixels.min():g} to {pixels.max():g}: label maps hold class ids, whole "
            f"numbers of 0..{LARGEST}; write it as PNG"
        )
    if pixels.max() <= 255:
        return pixels.astype(np.uint8)
    return pixels.astype(np.uint16) if pixels.ndim == 2 else (pixels >> 8).astype(np.uint8)


def read_instance_ids(path: Path) -> npt.NDArray[np.int32]:
    """(H, W) of Cityscapes' *_instanceIds.png, 16 bits: label id * 1000 + number, or a label id below 1000."""
    pixels = _decode(path, _bytes(path), cv2.IMREAD_UNCHANGED)
    if pixels.ndim != 2:
        raise DataError(f"{path} has {pixels.shape[2]} channels: instance ids are one grey value of 16 bits a pixel")
    return pixels.astype(np.int32)


def _decode_palette(path: Path, data: bytes) -> RawLabel:
    """OpenCV would turn the places of a palette into colours."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            ids = np.asarray(image)
            colors = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise broken(path) from error
    return RawLabel(path, ids, np.concatenate([colors, np.zeros((256 - len(colors), 3), np.uint8)]))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _has_8_bits(data: bytes) -> bool:
    """Whether the file is one of the usual ones, which OpenCV turns into colours of 8 bits itself."""
    return data.startswith(b"\xff\xd8") or (data.startswith(_PNG) and data[_PNG_BIT_DEPTH:_PNG_COLOR_TYPE] != b"\x10")


def _decode_any(path: Path, data: bytes) -> npt.NDArray[Any]:
    """(H, W) or (H, W, 3), blue first, of 8 or 16 bits."""
    pixels = _decode(path, data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} holds {pixels.dtype} values: frames have 8 or 16 bits a channel; write it as PNG")
    return pixels


def _decode(path: Path, data: bytes, flags: int) -> npt.NDArray[Any]:
    if data.startswith(_PNG) and ENDS["PNG"] not in data[-TAIL:]:
        raise broken(path)  # cut off: OpenCV would notice, too, but print a line of its own
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise broken(path)
    return pixels


def unreadable(path: Path, error: OSError) -> DataError:
    """Why the system does not let a file be read."""
    return DataError(f"{path} cannot be read ({error.strerror}): check the path and its permissions")


def broken(path: Path) -> DataError:
    """That a file holds no image, and why as far as its size tells."""
    what = "is not a readable image (broken or cut off)" if path.stat().st_size else "is empty (0 bytes)"
    return DataError(f"{path} {what}: copy or download it again")


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]}"
