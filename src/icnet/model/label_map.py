"""From the coarse logits of a stage to the label map of the image: the last resize and the argmax in one pass.

Bilinear resizing is a convex combination: where the four corners of a cell of the coarse map have the same largest class, so
has everything between them. Only the other cells, 3 to 8 % of a street, need interpolating.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from icnet.model.layers import Resize, size_of


def to_label_map(logits: Tensor, size: tuple[int, int], resize: Resize) -> Tensor:
    """logits (N, classes, h, w), enlarged to `size` -> (N, H, W) uint8, the class with the largest one.

    The same as resizing in fp32 and taking the argmax, up to ties.
    """
    logits = logits.float()
    if logits.device.type != "cpu":  # a GPU would have to wait for the number of cells
        return dense_map(logits, size, resize)
    return sparse_map(logits, size, resize)


def dense_map(logits: Tensor, size: tuple[int, int], resize: Resize) -> Tensor:
    """By enlarging all logits: every shape is known beforehand."""
    return _largest(resize(logits, size), 1)


def sparse_map(logits: Tensor, size: tuple[int, int], resize: Resize) -> Tensor:
    """By enlarging the logits of those cells alone whose corners differ.

    A cell lies between four neighbouring pixels of the coarse map; at the rim they coincide. Its block has a place for each
    pixel of the image in it; of the blocks laid side by side the image is read.
    """
    height, width = size_of(logits)
    rows = _divide(height, size[0], resize.align_corners, logits.device)
    columns = _divide(width, size[1], resize.align_corners, logits.device)

    winners = _largest(logits, 1)
    above, left = torch.cat([winners[:, :1], winners], 1), torch.cat([winners, winners[:, -1:]], 1)
    corners = [_at_left(above), _at_right(above), _at_left(left), _at_right(left)]
    mixed = (corners[0] != corners[1]) | (corners[0] != corners[2]) | (corners[0] != corners[3])

    image, row, column = mixed.nonzero().unbind(1)
    top, bottom = (row - 1).clamp(min=0), row.clamp(max=height - 1)
    left, right = (column - 1).clamp(min=0), column.clamp(max=width - 1)
    pixels = logits.permute(0, 2, 3, 1)
    ends = [pixels[image, r, c] for r in (top, bottom) for c in (left, right)]
    shares = rows.shares[row][:, :, None, :, None] * columns.shares[column][:, None, :, None, :]
    scores = torch.matmul(shares.flatten(3).flatten(1, 2), torch.stack(ends, 1))

    places = rows.places, columns.places
    blocks = corners[0][..., None, None].expand(-1, -1, -1, *places)
    blocks = blocks.index_put((image, row, column), _largest(scores, 2).reshape(-1, *places))
    blocks = blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return blocks.index_select(1, rows.pixels).index_select(2, columns.pixels)


def _largest(logits: Tensor, dim: int) -> Tensor:
    """argmax; in this form several times faster on a CPU."""
    return logits.max(dim=dim).indices.to(torch.uint8)


class _Cells(NamedTuple):
    """How the pixels of an image lie in the cells of a coarse map, along one axis; its n pixels make n + 1 cells.

    places: of a block. shares: (cells, places, 2) of the pixels at both ends of a cell.
    pixels: (length,) number of the place of each pixel of the image.
    """

    places: int
    shares: Tensor
    pixels: Tensor


def _divide(count: int, length: int, align_corners: bool, device: torch.device) -> _Cells:
    """In whole numbers: pixel i of the image lies in the coarse map at (step * i + start) / unit - 1, counted from -1 on."""
    if align_corners and count > 1:  # a single pixel is the same everywhere
        step, unit = count - 1, length - 1
        start = unit
    else:
        step, unit = 2 * count, 2 * length
        start = length + count
    places = (unit + step - 1) // step
    cells = torch.arange(count + 1, device=device)
    first = ((cells * unit - start).clamp(min=0) + step - 1) // step  # pixel of each cell
    i = torch.arange(length, device=device)
    cell = (step * i + start) // unit
    inside = step * (first[:, None] + torch.arange(places, device=device)) + start - (cells * unit)[:, None]
    share = (inside / unit).clamp(0, 1)
    return _Cells(places, torch.stack([1 - share, share], 2), cell * places + i - first[cell])


def _at_left(rows: Tensor) -> Tensor:
    return torch.cat([rows[:, :, :1], rows], 2)


def _at_right(rows: Tensor) -> Tensor:
    return torch.cat([rows, rows[:, :, -1:]], 2)
