"""What label files hold: ids or colours, how many pixels of each, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE, ClassTable, pack, unpack

BLENDED = 256  # more colours than this in one label file were not painted by anybody
_LOOKS_LIKE_TRAIN_IDS = 0.3  # of the pixels would be ignored or unknown if small numbers were label ids


class Form(Enum):
    """What the pixels of a label file are."""

    IDS = "ids"
    TRAIN_IDS = "train ids"
    COLOURS = "colours"


@dataclass(frozen=True)
class Values:
    """The values of a label file and their pixels; colours are packed numbers, of which the commonest are kept.

    distinct: how many values there are.
    """

    form: Form
    counts: Mapping[int, int]
    distinct: int


def count_values(path: Path, pixels: Pixels) -> Values:
    """Count what a label file holds; its name tells Cityscapes' train ids from label ids."""
    if pixels.ndim == 3:
        colours, counts = np.unique(pack(pixels), return_counts=True)
        most = np.argsort(-counts, kind="stable")[:BLENDED]
        return Values(Form.COLOURS, _as_dict(colours[most], counts[most]), len(colours))
    counts = np.bincount(pixels.ravel(), minlength=IGNORE + 1)
    values = np.flatnonzero(counts)
    form = Form.TRAIN_IDS if path.stem.endswith("labelTrainIds") else Form.IDS
    return Values(form, _as_dict(values, counts[values]), len(values))


def meanings(classes: ClassTable, form: Form) -> dict[int, int]:
    """The train id of every value that files of this form may hold; 255 for those that are ignored."""
    if form is Form.COLOURS:
        return {0: IGNORE} | {int(colour): index for index, colour in enumerate(pack(np.asarray(classes.colors)))}
    if form is Form.TRAIN_IDS:
        return {index: index for index in range(len(classes))} | {IGNORE: IGNORE}
    ignored = dict.fromkeys([*classes.ignored_ids, IGNORE], IGNORE)
    return ignored | {value: index for index, value in enumerate(classes.ids)}


def add_up(parts: Iterable[Mapping[Form, Mapping[int, int]]]) -> dict[Form, Counter[int]]:
    """The pixels of every value over several files or splits, for each form."""
    total: dict[Form, Counter[int]] = {}
    for part in parts:
        for form, counts in part.items():
            total.setdefault(form, Counter()).update(counts)
    return total


def count_classes(
    total: Mapping[Form, Mapping[int, int]], classes: ClassTable
) -> tuple[npt.NDArray[np.int64], int, int]:
    """(pixels of each class, ignored pixels, pixels of unknown values)."""
    pixels = np.zeros(len(classes), np.int64)
    ignored = unknown = 0
    for form, counts in total.items():
        known = meanings(classes, form)
        for value, count in counts.items():
            index = known.get(value)
            if index is None:
                unknown += count
            elif index == IGNORE:
                ignored += count
            else:
                pixels[index] += count
    return pixels, ignored, unknown


def tabulate(labels: Sequence[Values], classes: ClassTable) -> npt.NDArray[np.int64]:
    """(labels, classes + 1) pixels of each class in each label file; the last: of no class."""
    table = np.zeros((len(labels), len(classes) + 1), np.int64)
    for row, label in zip(table, labels, strict=True):
        pixels, ignored, unknown = count_classes({label.form: label.counts}, classes)
        row[:] = [*pixels, ignored + unknown]
    return table


def looks_like_train_ids(counts: Mapping[int, int], classes: ClassTable) -> bool:
    """Whether files that should hold label ids hold train ids: no larger number, and much of it would mean nothing."""
    if classes.label_ids is None or not counts:
        return False
    small = all(value < len(classes) or value == IGNORE for value in counts)
    # 0 tells nothing: it is void, or the first class
    telling = {value: count for value, count in counts.items() if value not in (0, IGNORE)}
    idle = sum(count for value, count in telling.items() if value not in classes.ids)
    return small and idle > _LOOKS_LIKE_TRAIN_IDS * sum(telling.values())


def fits(total: Mapping[Form, Mapping[int, int]], classes: ClassTable) -> bool:
    """Whether these classes give every value a meaning."""
    return all(counts.keys() <= meanings(classes, form).keys() for form, counts in total.items())


def show_value(form: Form, value: int) -> str:
    """A label value as people write it: a number, or (red, green, blue)."""
    return str(unpack(value)) if form is Form.COLOURS else str(value)


def _as_dict(values: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> dict[int, int]:
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
