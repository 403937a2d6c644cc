"""Single frames as small pictures (image, label, prediction, error), with what went wrong in each of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from icnet.data.labels import IGNORE, ClassTable
from icnet.errors import DataError
from icnet.metrics.confusion import count_pairs, mean_iou, plain
from icnet.visualize.colors import colorize
from icnet.visualize.rows import Row, mark_errors, mark_ignored

FOLDER = "examples"
_INDEX = "examples.json"
_LONGEST = 560  # pixels of the longer side: sharp in a column of a wide page, and across half a telephone
_QUALITY, _LOSSLESS = 80, 101  # of WebP, as OpenCV counts


class Example(NamedTuple):
    """One frame. Ratios in 0..1.

    miou: over the classes of this frame; None where nothing is labelled.
    wrong: share of the labelled pixels; mistake: the commonest (label, prediction, share of the labelled pixels) or None.
    seen: the classes in label or prediction; ignored: whether pixels are.
    pictures: paths of image, label, prediction and error.
    """

    name: str
    miou: float | None
    wrong: float
    mistake: tuple[str, str, float] | None
    seen: Sequence[str]
    ignored: bool
    pictures: Mapping[str, Path]


def write_examples(folder: Path, groups: Mapping[str, Sequence[Row]], classes: ClassTable) -> None:
    """Write folder/examples/: the pictures of each group, and an index of them. What was there before is gone."""
    home = folder / FOLDER
    if home.exists():
        shutil.rmtree(home)
    home.mkdir()
    index = {
        group: [_write_example(home, f"{group}_{place:02}", row, classes) for place, row in enumerate(rows, start=1)]
        for group, rows in groups.items()
    }
    (home / _INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


def read_examples(folder: Path) -> dict[str, list[Example]]:
    """The groups of folder/examples/; none where there is no such folder."""
    path = folder / FOLDER / _INDEX
    if not path.is_file():
        return {}
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return {group: [_from_plain(path.parent, entry) for entry in entries] for group, entries in index.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is not what icnet wrote ({error}): run the task again") from error


def _write_example(home: Path, prefix: str, row: Row, classes: ClassTable) -> dict[str, Any]:
    small = row.shrink(_LONGEST)
    pictures = {
        "image": (small.image, _QUALITY),
        "label": (mark_ignored(colorize(small.label, classes), small.label), _LOSSLESS),
        "prediction": (colorize(small.prediction, classes), _LOSSLESS),
        "error": (mark_errors(small), _LOSSLESS),
    }
    names = {kind: f"{prefix}_{kind}.webp" for kind in pictures}
    for kind, (pixels, quality) in pictures.items():
        _, data = cv2.imencode(".webp", pixels[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
        (home / names[kind]).write_bytes(data.tobytes())
    return {"name": row.name, **_describe(row, classes), "pictures": names}


def _describe(row: Row, classes: ClassTable) -> dict[str, Any]:
    """The numbers of a frame, from all of its pixels."""
    label_map, labels = (torch.from_numpy(np.ascontiguousarray(part)) for part in (row.prediction, row.label))
    matrix = count_pairs(label_map, labels, len(classes), IGNORE)
    counts = matrix.numpy()
    total = max(1, int(counts.sum()))
    errors = counts - np.diag(counts.diagonal())
    true, taken = divmod(int(errors.argmax()), len(errors))
    seen = np.union1d(row.label, row.prediction)
    return {
        "miou": plain(mean_iou(matrix)),
        "wrong": errors.sum() / total,
        "mistake": [classes.names[true], classes.names[taken], errors.max() / total] if errors.any() else None,
        "seen": [name for i, name in enumerate(classes.names) if i in seen],
        "ignored": bool((row.label == IGNORE).any()),
    }


def _from_plain(home: Path, entry: dict[str, Any]) -> Example:
    pictures = {kind: home / name for kind, name in entry.pop("pictures").items()}
    return Example(**entry, pictures=pictures)
