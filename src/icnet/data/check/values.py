"""What label files hold: ids or colours, how many pixels of each, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from icnet.data.images import RawLabel
from icnet.data.labels import IGNORE, ClassTable, is_grey, pack, unpack

_MOST = 256  # colours of a label file that are kept
_FEWEST = 5  # values of a label file that was blended
_SOLID = 0.1  # of the pixels of a value that somebody drew lie within areas of it
_LOOKS_LIKE_TRAIN_IDS = 0.3  # of the pixels would be ignored or unknown if small numbers were label ids


class Form(Enum):
    """What the pixels of a label file are."""

    IDS = "ids"
    TRAIN_IDS = "train ids"
    COLOURS = "colours"


@dataclass(frozen=True)
class Values:
    """The values of a label file and their pixels; colours are packed numbers, of which the commonest are kept.

    distinct: how many values there are. loose: how many of these make no area anywhere, but lie along the edges of others.
    palette: the colour of each id, where the file has a palette. alpha: the values of that channel, where it has one.
    """

    path: Path
    form: Form
    counts: Mapping[int, int]
    distinct: int
    loose: int = 0
    palette: Mapping[int, int] | None = None
    alpha: Mapping[int, int] | None = None

    @property
    def is_blended(self) -> bool:
        """Whether the file was resized with blending, or went through JPEG: that leaves many values along every edge."""
        return self.distinct >= _FEWEST and 2 * self.loose > self.distinct

    def read_as(self, form: str | None) -> Values:
        """The same file in a form of `ClassTable`; unchanged where it does not have it."""
        if form == "alpha" and self.alpha is not None:
            return replace(self, form=Form.IDS, counts=self.alpha, distinct=len(self.alpha), loose=0)
        if form == "ids" and self.form is Form.COLOURS and all(map(is_grey, self.counts)):
            return replace(self, form=Form.IDS, counts={color & 255: n for color, n in self.counts.items()})
        if form == "colors" and self.form is Form.IDS and self.palette is not None:
            counts = Counter[int]()
            for value, pixels in self.counts.items():
                counts[self.palette[value]] += pixels
            return replace(self, form=Form.COLOURS, counts=counts, distinct=len(counts))
        return self


def count_values(label: RawLabel, form: str | None = None) -> Values:
    """Count what a label file holds; its name tells Cityscapes' train ids from label ids. form: as `ClassTable` says."""
    pixels = label.read_as(form)
    is_colours = pixels.ndim == 3
    keys = pack(pixels) if is_colours else pixels
    counts = _count(keys)
    return Values(
        label.path,
        Form.COLOURS if is_colours else Form.TRAIN_IDS if label.holds_train_ids else Form.IDS,
        dict(Counter(counts).most_common(_MOST)) if is_colours else counts,
        len(counts),
        _count_loose(keys, counts) if len(counts) >= _FEWEST else 0,
        None if label.palette is None or is_colours else dict(enumerate(pack(label.palette).tolist())),
        None if label.alpha is None else _count(label.alpha),
    )


def choose_form(labels: Sequence[Values]) -> str | None:
    """The form of `ClassTable` in which label files that nobody has described make sense together."""
    colours = [label for label in labels if label.form is Form.COLOURS]
    if colours and all(label.alpha is not None for label in labels):
        shown = {color for label in labels for color in label.counts}
        hidden = {value for label in labels for value in label.alpha or {}}
        if len(shown) == 1 and len(hidden) > 1:
            return "alpha"
    if colours and all(is_grey(color) for label in colours for color in label.counts):
        return "ids"
    have_palettes = all(label.palette is not None for label in labels if label.form is not Form.COLOURS)
    if have_palettes and (colours or find_moved(labels) is not None) and len(colours) < len(labels):
        return "colors"
    return None


def find_moved(labels: Iterable[Values]) -> tuple[Values, Values] | None:
    """Two label files whose palettes contradict each other: a place has other colours in them, or a colour other places."""
    at: dict[int, tuple[int, Values]] = {}
    of: dict[int, tuple[int, Values]] = {}
    for label in labels:
        used = (
            {place: label.palette[place] for place in label.counts} if label.palette and label.form is Form.IDS else {}
        )
        if len(set(used.values())) < len(used):
            continue  # the colours tell nothing
        for place, color in used.items():
            for seen, key, value in ((at, place, color), (of, color, place)):
                before, other = seen.setdefault(key, (value, label))
                if before != value:
                    return other, label
    return None


def add_up(labels: Iterable[Values]) -> dict[Form, Counter[int]]:
    """The pixels of every value over several files, for each form."""
    total: dict[Form, Counter[int]] = {}
    for label in labels:
        total.setdefault(label.form, Counter()).update(label.counts)
    return total


def meanings(classes: ClassTable, form: Form) -> dict[int, int]:
    """The train id of every value that files of this form may hold; 255 for those that are ignored."""
    if form is Form.COLOURS:
        return {0: IGNORE} | {int(colour): index for index, colour in enumerate(pack(np.asarray(classes.colors)))}
    return classes.meanings(train_ids=form is Form.TRAIN_IDS)


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


def show_value(form: Form, value: int) -> str:
    """A label value as people write it: a number, or (red, green, blue)."""
    return str(unpack(value)) if form is Form.COLOURS else str(value)


def _count(keys: npt.NDArray[Any]) -> dict[int, int]:
    """The pixels of each value."""
    if keys.dtype == np.uint8:
        counts = np.bincount(keys.ravel(), minlength=256)
        values = np.flatnonzero(counts)
        return dict(zip(values.tolist(), counts[values].tolist(), strict=True))
    unique, numbers = np.unique(keys, return_counts=True)
    return dict(zip(unique.tolist(), numbers.tolist(), strict=True))


def _count_loose(keys: npt.NDArray[Any], counts: Mapping[int, int]) -> int:
    """Of a label map (H, W): the values of which hardly a pixel has the same value beside, below and diagonally."""
    corner = keys[:-1, :-1]
    solid = _count(corner[(corner == keys[1:, :-1]) & (corner == keys[:-1, 1:]) & (corner == keys[1:, 1:])])
    return sum(solid.get(value, 0) < _SOLID * pixels for value, pixels in counts.items())
