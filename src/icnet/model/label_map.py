"""From the coarse logits of a stage to the label map of the image: the last resize and the argmax in one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from icnet.model.layers import Resize

_BAND = 16  # rows of logits that are enlarged together: 19 classes of 2048 columns stay in the cache of a core


def to_label_map(logits: Tensor, size: tuple[int, int], resize: Resize) -> Tensor:
    """logits (N, classes, h, w), enlarged to `size` -> (N, H, W) uint8, the class with the largest one.

    The same as resizing in fp32 and taking the argmax. On a CPU, where the size is a multiple of that of the logits, band
    by band: the enlarged logits are never held as a whole.
    """
    logits = logits.float()
    height = logits.shape[-2]
    factor, rest = divmod(size[0], height)
    if logits.device.type != "cpu" or resize.align_corners or rest or factor == 1:
        return _largest(resize(logits, size))
    out = torch.empty(logits.shape[0], *size, dtype=torch.uint8)
    for first in range(0, height, _BAND):
        last = min(first + _BAND, height)
        above, below = max(first - 1, 0), min(last + 1, height)  # a row more on each side, which it blends with
        enlarged = resize(logits[:, :, above:below], ((below - above) * factor, size[1]))
        start = (first - above) * factor
        out[:, first * factor : last * factor] = _largest(enlarged[:, :, start : start + (last - first) * factor])
    return out


def _largest(logits: Tensor) -> Tensor:
    """argmax over the classes; in this form several times faster on a CPU."""
    return logits.max(dim=1).indices.to(torch.uint8)
