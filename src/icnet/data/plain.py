"""The data pipeline that other ICNets have, in PIL and numpy: the yardstick of task=benchmark task.what=data."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE
from icnet.data.samples import Sample

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class PlainPipeline:
    """Decode, scale the whole frame, crop at random, flip, normalise: one step after the other.

    Labels are taken as they stand in the file, ids and not train ids.
    """

    def __init__(self, crop_size: tuple[int, int], scale: Sequence[float]) -> None:
        self.crop_size, self.scale = crop_size, scale

    def __call__(self, sample: Sample, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Image (3, H, W) normalised, label (H, W)."""
        rng = random.Random(seed)
        image, label = self.crop_flip(*self.resize(*self.decode(sample), rng), rng)
        return self.normalize(image), label.astype(np.int64)

    def decode(self, sample: Sample) -> tuple[Image.Image, Image.Image]:
        """Both files, whole."""
        image, label = Image.open(sample.image).convert("RGB"), Image.open(sample.label)
        label.load()
        return image, label

    def resize(self, image: Image.Image, label: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
        """The whole frame by a random factor."""
        factor = rng.uniform(*self.scale)
        size = round(image.width * factor), round(image.height * factor)
        return image.resize(size, Image.Resampling.BILINEAR), label.resize(size, Image.Resampling.NEAREST)

    def crop_flip(self, image: Image.Image, label: Image.Image, rng: random.Random) -> tuple[Pixels, Pixels]:
        """A random crop, padded where the frame is smaller, mirrored or not."""
        pixels, ids = np.asarray(image), np.asarray(label)
        below, beside = (max(n - have, 0) for n, have in zip(self.crop_size, ids.shape, strict=False))
        pixels = np.pad(pixels, ((0, below), (0, beside), (0, 0)))
        ids = np.pad(ids, ((0, below), (0, beside), *[(0, 0)] * (ids.ndim - 2)), constant_values=IGNORE)
        (height, width), step = self.crop_size, rng.choice((1, -1))
        top, left = rng.randint(0, ids.shape[0] - height), rng.randint(0, ids.shape[1] - width)
        window: Any = slice(top, top + height), slice(left, left + width)
        return pixels[window][:, ::step], ids[window][:, ::step]

    def normalize(self, image: Pixels) -> npt.NDArray[np.float32]:
        """In 0..1, less ImageNet's mean, by its deviation; channels first."""
        return np.ascontiguousarray(((image.astype(np.float32) / 255 - _MEAN) / _STD).transpose(2, 0, 1))
