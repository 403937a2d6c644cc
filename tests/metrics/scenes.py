"""Label maps, noisy predictions and instance maps of generated scenes, for the tests of the metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from omegaconf import OmegaConf
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.files import conf_folder
from icnet.streets.scene import draw_street

IGNORED_IDS = (0, 4, 18, 29)  # void, static, polegroup, caravan


class Scene(NamedTuple):
    """Maps (H, W): predicted and true train ids, label ids, instance ids."""

    prediction: Tensor
    labels: Tensor
    label_ids: npt.NDArray[np.uint8]
    instance_ids: npt.NDArray[np.int32]


def load_classes(name: str) -> ClassTable:
    """A table of conf/data/classes."""
    settings: Any = OmegaConf.to_container(OmegaConf.load(conf_folder() / "data" / "classes" / f"{name}.yaml"))
    return ClassTable(**{key: value for key, value in settings.items() if key != "_target_"})


def street(classes: ClassTable, seed: int, size: tuple[int, int] = (96, 192)) -> Scene:
    """A generated street with an ignored car bonnet and a caravan, predicted with noise."""
    drawn = draw_street(seed, 0, size)
    label_ids, instance_ids = drawn.label_ids.copy(), drawn.instance_ids.astype(np.int32)
    for maps in (label_ids, instance_ids):
        maps[-size[0] // 8 :] = 0
        maps[10:20, 30:60] = 29
    instance_ids[10:20, 30:50] = 29001
    return _predict(classes, label_ids, instance_ids, seed)


def patchwork(classes: ClassTable, seed: int, size: tuple[int, int] = (96, 192)) -> Scene:
    """Rectangles of all classes and of ignored ones; those with instances in groups (no instance) or alone."""
    rng = np.random.default_rng(seed)
    label_ids, instance_ids = np.full(size, 7, np.uint8), np.full(size, 7, np.int32)
    for count in range(150):
        label = int(rng.choice([*classes.ids, *IGNORED_IDS]))
        top, left, height, width = (rng.integers(*bounds) for bounds in ((0, size[0]), (0, size[1]), (2, 30), (2, 30)))
        box = np.s_[top : top + height, left : left + width]
        label_ids[box] = label
        instance_ids[box] = label * 1000 + count if label >= 24 and rng.random() < 0.8 else label
    return _predict(classes, label_ids, instance_ids, seed)


def _predict(
    classes: ClassTable, label_ids: npt.NDArray[np.uint8], instance_ids: npt.NDArray[np.int32], seed: int
) -> Scene:
    """The labels, shifted and with discs of other classes."""
    rng = np.random.default_rng(seed)
    train_ids = np.full(256, 255, np.uint8)
    train_ids[list(classes.ids)] = np.arange(len(classes))
    labels = train_ids[label_ids]
    prediction = np.roll(labels, (1, -2), (0, 1))
    prediction[prediction == 255] = rng.integers(len(classes), size=int((prediction == 255).sum()))
    for _ in range(25):
        middle = int(rng.integers(labels.shape[1])), int(rng.integers(labels.shape[0]))
        cv2.circle(prediction, middle, int(rng.integers(1, 12)), int(rng.integers(len(classes))), -1)
    return Scene(torch.from_numpy(prediction), torch.from_numpy(labels), label_ids, instance_ids)
