"""How a frame lies in a pack: as plain bytes, or losslessly compressed in strips of rows.

Plain: the image (H, W, 3), red first, then the train ids (H, W). Compressed: the length of each strip as uint32, least byte
first, the image's from top to bottom, then the label's; then the strips.
"""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import numpy.typing as npt

from icnet.data.images import Pixels
from icnet.data.windows import Source

ROWS = 64  # of a strip: a window of a large frame leaves most of the others out
_LEVEL = 1  # 2 to 9 gain little on differences of pixels
_LENGTH = np.dtype("<u4")


def encode_plain(image: Pixels, label: Pixels) -> list[bytes]:
    """The parts of a block, in their order."""
    return [image.tobytes(), label.tobytes()]


def decode_plain(block: Pixels, height: int, width: int) -> tuple[Source, Source]:
    """Image and label, as views of the block."""
    size = 3 * height * width
    return block[:size].reshape(height, width, 3), block[size:].reshape(height, width)


def encode_strips(image: Pixels, label: Pixels) -> list[bytes]:
    """The parts of a compressed block, in their order."""
    strips = [_compress(p[top : top + ROWS]) for p in (image, label) for top in range(0, len(p), ROWS)]
    return [np.array([len(s) for s in strips], _LENGTH).tobytes(), *strips]


def decode_strips(block: Pixels, height: int, width: int) -> tuple[Source, Source]:
    """Image and label, each decoded where a window is cut from it."""
    count = -(-height // ROWS)
    head = 2 * count * _LENGTH.itemsize
    ends = head + np.cumsum(block[:head].view(_LENGTH), dtype=np.int64)
    bounds = np.concatenate([[head], ends])
    return Strips(block, bounds[: count + 1], (height, width, 3)), Strips(block, bounds[count:], (height, width))


class Strips:
    """A picture in compressed strips, of which a window decodes only those that it touches.

    bounds: where in the block each strip begins, and where the last one ends.
    """

    def __init__(self, block: Pixels, bounds: npt.NDArray[np.int64], shape: tuple[int, ...]) -> None:
        self.block, self.bounds, self.shape = block, bounds, shape

    def __getitem__(self, window: tuple[slice, slice], /) -> Pixels:
        rows, columns = window
        top, bottom, _ = rows.indices(self.shape[0])
        first = top // ROWS
        strips = [self._strip(number) for number in range(first, -(-bottom // ROWS))]
        above = first * ROWS
        return np.concatenate(strips)[top - above : bottom - above, columns]

    def _strip(self, number: int) -> Pixels:
        data = zlib.decompress(self.block[self.bounds[number] : self.bounds[number + 1]].data)
        pixels = np.frombuffer(bytearray(data), np.uint8).reshape(-1, *self.shape[1:])
        for above, row in itertools.pairwise(pixels):
            np.add(row, above, out=row)
        return pixels


def _compress(strip: Pixels) -> bytes:
    """Each row as its difference to the one above, modulo 256: small numbers, which deflate well."""
    difference = strip.copy()
    difference[1:] -= strip[:-1]
    return zlib.compress(difference.data, _LEVEL)
