"""ImageNet's layout: root/SPLIT/CLASS/IMAGE, as random crops for training and centre crops for validation."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from icnet.data.dataset import Draw
from icnet.data.images import IMAGE_SUFFIXES, Pixels, read_image
from icnet.data.transforms import build_picture_augment
from icnet.data.workers import Board
from icnet.errors import DataError

_RESIZE = 256 / 224  # the usual margin around the centre crop


class Picture(NamedTuple):
    """A picture, or a batch of them: image (..., H, W, 3) uint8, red first; target (...) class number."""

    image: Tensor
    target: Tensor


class ImageFolder(Dataset[Picture]):
    """The pictures of a split; their classes are the names of the subfolders, in alphabetical order.

    crop_size: side of the square that comes out. train: random crops of 8 to 100 % of the area and flips (Szegedy et al.,
    2015), decided by (seed, epoch, picture); otherwise the centre.
    """

    def __init__(self, root: Path, split: str, crop_size: int, train: bool, seed: int = 0) -> None:
        folder = root / split
        self.classes = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
        if not self.classes:
            raise DataError(
                f"{folder} holds no folders of pictures: ImageNet's layout is {root}/{split}/CLASS/IMAGE; set data.root"
            )
        self.pictures = [
            (path, number)
            for number, name in enumerate(self.classes)
            for path in sorted((folder / name).iterdir())
            if path.suffix.lower() in IMAGE_SUFFIXES
        ]
        self.board = Board([path for path, _ in self.pictures])
        self.crop_size, self.train, self.seed = crop_size, train, seed
        self.augment = build_picture_augment(crop_size)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, draw: Draw | int) -> Picture:
        epoch, index, *_ = draw if isinstance(draw, tuple) else (0, draw)
        self.board.write(index)
        path, target = self.pictures[index]
        image = read_image(path)
        if self.train:
            rng = np.random.default_rng([self.seed, epoch, index])
            self.augment.set_random_seed(int(rng.integers(2**31)))
            image = self.augment(image=image)["image"]
        else:
            image = centre_crop(image, self.crop_size)
        return Picture(torch.from_numpy(np.ascontiguousarray(image)), torch.tensor(target))


def centre_crop(image: Pixels, side: int) -> Pixels:
    """Scale the shorter side to 8/7 of `side`, then cut out the square in the middle."""
    factor = side * _RESIZE / min(image.shape[:2])
    rows, columns = (max(round(n * factor), side) for n in image.shape[:2])
    scaled = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    top, left = (rows - side) // 2, (columns - side) // 2
    return scaled[top : top + side, left : left + side]  # type: ignore[return-value]
