"""Wrong labels that are put into generated streets on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from icnet.data.formats.runs import decode_runs

Mask = npt.NDArray[np.bool_]


class Planted(NamedTuple):
    """A region (H, W) of a frame that got another label id. frame: the name of its image."""

    frame: str
    mask: Mask


def plant_errors(root: Path, ids: Sequence[int], share: float, seed: int = 0) -> list[Planted]:
    """Give this share of the connected regions of every label map in `root`, of 1/2048 of it or more, another class.

    ids: those of the classes.
    """
    rng = np.random.default_rng(seed)
    planted = []
    for path in sorted(root.rglob("*_labelIds.png")):
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        wrong = label.copy()
        for value in np.intersect1d(label, ids).tolist():
            count, parts, stats, _ = cv2.connectedComponentsWithStats((label == value).astype(np.uint8), connectivity=4)
            for part in range(1, count):
                if stats[part, cv2.CC_STAT_AREA] >= label.size / 2048 and rng.random() < share:
                    wrong[parts == part] = rng.choice([other for other in ids if other != value])
                    planted.append(Planted(path.name.replace("_gtFine_labelIds", "_leftImg8bit"), parts == part))
        cv2.imwrite(str(path), wrong)
    return planted


def is_planted(region: Mapping[str, Any], planted: Sequence[Planted]) -> bool:
    """Whether more than half of a region of queue.json got its label on purpose."""
    top, left, height, width = region["box"]
    mask = decode_runs(region["runs"], height, width)
    name = region["frame"].rpartition("/")[2]
    box = slice(top, top + height), slice(left, left + width)
    return any((wrong.mask[box] & mask).sum() > mask.sum() / 2 for wrong in planted if wrong.frame == name)
