"""Label maps as colours, alone or laid over their image."""

from __future__ import annotations

import cv2
import numpy as np

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE, ClassTable


def colorize(label_map: Pixels, classes: ClassTable) -> Pixels:
    """(H, W) train ids as (H, W, 3) colours, red first; ignored pixels are black."""
    return np.asarray(classes.palette[label_map], np.uint8)


def overlay(image: Pixels, label_map: Pixels, classes: ClassTable, alpha: float = 0.5) -> Pixels:
    """The image (H, W, 3) tinted with the colours of its label map (H, W); ignored pixels keep the image.

    alpha: the share of the class colour, 0..1.
    """
    if image.shape[:2] != label_map.shape:
        raise ValueError(f"the image is {image.shape[:2]}, its label map {label_map.shape}: the sizes must agree")
    tinted = cv2.addWeighted(image, 1.0 - alpha, colorize(label_map, classes), alpha, 0.0)
    return np.where((label_map == IGNORE)[..., None], image, tinted).astype(np.uint8)
