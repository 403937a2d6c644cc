"""Label maps as colours, alone or laid over their image."""

from __future__ import annotations

import cv2

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE, ClassTable


def colorize(label_map: Pixels, classes: ClassTable) -> Pixels:
    """(H, W) train ids as (H, W, 3) colours, red first; ignored pixels are black."""
    return cv2.applyColorMap(label_map, classes.palette[:, None])  # type: ignore[return-value]


def overlay(image: Pixels, label_map: Pixels, classes: ClassTable, alpha: float = 0.5) -> Pixels:
    """The image (H, W, 3) tinted with the colours of its label map (H, W); ignored pixels keep the image.

    alpha: the share of the class colour, 0..1.
    """
    if image.shape[:2] != label_map.shape:
        raise ValueError(f"the image is {image.shape[:2]}, its label map {label_map.shape}: the sizes must agree")
    tinted = cv2.addWeighted(image, 1.0 - alpha, colorize(label_map, classes), alpha, 0.0)
    ignored = label_map == IGNORE
    tinted[ignored] = image[ignored]
    return tinted  # type: ignore[return-value]
