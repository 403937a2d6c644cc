"""Masks as run lengths, in the ways of COCO, CVAT and Label Studio, or as pictures; a ValueError says what does not fit."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from icnet.data.formats.paint import Bits


def decode_runs(counts: Sequence[int], height: int, width: int, *, by_columns: bool = False) -> Bits:
    """(height, width) of run lengths, pixels outside first. by_columns: as COCO counts, from top to bottom."""
    lengths = np.asarray(counts, np.int64)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"has run lengths for {lengths.sum()} pixels in a mask of {height}x{width}")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(width, height).T if by_columns else flat.reshape(height, width)


def encode_runs(mask: Bits) -> list[int]:
    """The run lengths that `decode_runs` reads, by rows."""
    flat = np.concatenate([[False], mask.ravel()])
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    lengths: list[int] = np.diff(starts, prepend=0, append=mask.size).tolist()
    return lengths


def read_counts(text: str) -> list[int]:
    """The run lengths in COCO's string: five bits a letter, the least ones first, as differences to the last but one."""
    counts: list[int] = []
    value = shift = 0
    for letter in text.encode():
        bits = letter - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts


def decode_brush(data: Sequence[int], height: int, width: int) -> Bits:
    """(height, width) of Label Studio's brush: RGBA in runs, of which alpha tells.

    A stream of bits: the number of values (32), the bits of a value less one (5), four sizes of run lengths less one (4
    each); then blocks: whether it repeats (1), which size (2), the length less one, and one value or as many as that.
    """
    bits = np.unpackbits(np.asarray(data, np.uint8))
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        if at > len(bits):
            raise ValueError("has a brush that is cut off")
        return int("".join(map(str, bits[at - count : at])), 2)

    length, size = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    if length != 4 * height * width or size != 8:
        raise ValueError(f"has a brush of {length} values of {size} bits for {height}x{width}")
    values = np.zeros(length, np.uint8)
    done = 0
    while done < length:
        repeats = take(1)
        end = done + take(sizes[take(2)]) + 1
        if repeats:
            values[done:end] = take(8)
        else:
            values[done:end] = [take(8) for _ in range(min(end, length) - done)]
        done = end
    return values.reshape(height, width, 4)[:, :, 3] > 0


def decode_picture(data: bytes) -> Bits:
    """(H, W) of a PNG, of which the last channel tells: alpha, where there is one."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ValueError("has a mask that is no image")
    return np.asarray((pixels if pixels.ndim == 2 else pixels[:, :, -1]) > 0)
