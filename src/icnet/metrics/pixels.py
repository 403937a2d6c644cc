"""Checks pairs of label maps, and hands the images of a batch on as bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bytes = npt.NDArray[np.uint8]
VALUES = 256  # that a pixel of a label map may have
NONE = 255  # no class: what ignored pixels are in the maps of `split_images`


def check_pair(label_map: Tensor, labels: Tensor, num_classes: int) -> None:
    """Refuse predictions and labels of two sizes, and values that are no bytes."""
    if label_map.shape != labels.shape:
        raise ValueError(
            f"predictions are {tuple(label_map.shape)}, labels {tuple(labels.shape)}: the shapes must agree"
        )
    for pixels in (label_map, labels):
        if pixels.dtype != torch.uint8 and pixels.numel():
            low, high = pixels.aminmax()
            if low < 0 or high >= VALUES:
                raise unknown_class(int(low if low < 0 else high), num_classes)


def unknown_class(value: int, num_classes: int) -> ValueError:
    """The error for a class that there is not."""
    return ValueError(f"class {value} is among the labels or predictions, but there are only {num_classes} classes")


def split_images(
    label_map: Tensor, labels: Tensor, num_classes: int, ignore_index: int
) -> Iterator[tuple[Bytes, Bytes]]:
    """Prediction and label (H, W) of each image of (N, H, W) or (H, W), on the CPU.

    Where a pixel is ignored, both of them are NONE.
    """
    check_pair(label_map, labels, num_classes)
    for prediction, label in zip(_to_bytes(label_map), _to_bytes(labels), strict=True):
        ignored = label == ignore_index
        pair = np.where(ignored, np.uint8(NONE), prediction), np.where(ignored, np.uint8(NONE), label)
        for pixels in pair:
            if (beyond := (pixels >= num_classes) & ~ignored).any():
                raise unknown_class(int(pixels[beyond].max()), num_classes)
        yield pair


def _to_bytes(pixels: Tensor) -> Bytes:
    """(N, H, W)"""
    batch = pixels if pixels.ndim == 3 else pixels[None]
    return batch.detach().to("cpu", torch.uint8).numpy()
