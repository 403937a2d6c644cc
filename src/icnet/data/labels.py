"""Class tables: the names, colours and file ids of the classes a network tells apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from icnet.errors import ConfigError, DataError

IGNORE = 255
UNLABELLED = 254  # in frames that nobody labelled, for which a teacher answers in training
_UNKNOWN = -1


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data set, in the order of their train ids 0..n-1.

    names, colors: one per class; a colour is (red, green, blue) in 0..255.
    label_ids: the value that stands for each class in the label files (Cityscapes: road is 7); None when the files hold
        train ids already.
    ignored_ids: the values that may occur in the label files and are left out of loss and metrics, beside 255.
    categories: one per class, the group that it is also scored as part of (Cityscapes: road is flat); None without groups.
    instance_sizes: by class, the average number of pixels of an instance, for scores that weigh small ones up; classes that
        it does not name have no instances; None where the data set has none.
    """

    names: Sequence[str]
    colors: Sequence[Sequence[int]]
    label_ids: Sequence[int] | None = None
    ignored_ids: Sequence[int] = ()
    categories: Sequence[str] | None = None
    instance_sizes: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        # plain tuples, also from a YAML file
        for field in ("names", "colors", "label_ids", "ignored_ids", "categories"):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, tuple(tuple(v) if isinstance(v, (list, tuple)) else v for v in value))
        if self.instance_sizes is not None:
            object.__setattr__(self, "instance_sizes", dict(self.instance_sizes))
        self._check()

    def _check(self) -> None:
        if len(self.names) < 2:
            raise ConfigError(f"data.classes.names is {list(self.names)}: list at least two classes")
        if len(self.names) > UNLABELLED:
            raise ConfigError(
                f"data.classes has {len(self.names)} classes: label maps of 8 bits hold at most {UNLABELLED}"
            )
        if len(set(self.names)) != len(self.names):
            twice = sorted({n for n in self.names if list(self.names).count(n) > 1})
            raise ConfigError(
                f"data.classes.names lists {', '.join(twice)} more than once: every class needs a name of its own"
            )
        per_class = (("colors", self.colors), ("label_ids", self.label_ids), ("categories", self.categories))
        for field, values in per_class:
            if values is not None and len(values) != len(self.names):
                raise ConfigError(
                    f"data.classes.{field} has {len(values)} entries for {len(self.names)} names: give one for each class"
                )
        for name, color in zip(self.names, self.colors, strict=True):
            if not (isinstance(color, tuple) and len(color) == 3 and all(_is_byte(c) for c in color)):
                shown = list(color) if isinstance(color, tuple) else color
                raise ConfigError(
                    f"data.classes.colors: {name} has {shown}; a colour is [red, green, blue], whole numbers in 0..255"
                )
        for field, ids in (("label_ids", self.ids), ("ignored_ids", self.ignored_ids)):
            if wrong := [v for v in ids if not _is_byte(v)]:
                raise ConfigError(f"data.classes.{field} has {wrong}: label files hold whole numbers in 0..255")
        clash = set(self.ids) & {*self.ignored_ids, IGNORE}
        if clash or len(set(self.ids)) != len(self.ids):
            raise ConfigError(
                f"data.classes: an id stands for two things ({sorted(clash) or list(self.ids)}): make them unique"
            )
        self._check_instances()

    def _check_instances(self) -> None:
        for name, size in (self.instance_sizes or {}).items():
            if name not in self.names:
                raise ConfigError(
                    f"data.classes.instance_sizes names {name!r}, which is no class: take a name of data.classes.names"
                )
            if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 < size < math.inf:
                raise ConfigError(
                    f"data.classes.instance_sizes gives {name} {size!r}: expected an average number of pixels above 0"
                )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ids(self) -> tuple[int, ...]:
        """The value of each class in the label files."""
        return tuple(self.label_ids) if self.label_ids is not None else tuple(range(len(self.names)))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, as stored in a checkpoint."""
        return {
            "names": list(self.names),
            "colors": [list(c) for c in self.colors],
            "label_ids": None if self.label_ids is None else list(self.label_ids),
            "ignored_ids": list(self.ignored_ids),
            "categories": None if self.categories is None else list(self.categories),
            "instance_sizes": None if self.instance_sizes is None else dict(self.instance_sizes),
        }

    @cached_property
    def palette(self) -> npt.NDArray[np.uint8]:
        """(256, 3) colours by train id; ignored pixels are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = np.asarray(self.colors, np.uint8)
        return table

    @cached_property
    def _train_id_of(self) -> npt.NDArray[np.int16]:
        table = np.full(256, _UNKNOWN, np.int16)
        table[[*self.ignored_ids, IGNORE]] = IGNORE
        table[list(self.ids)] = np.arange(len(self))
        return table

    @cached_property
    def _is_train_id(self) -> npt.NDArray[np.int16]:
        table = np.full(256, _UNKNOWN, np.int16)
        table[: len(self)] = np.arange(len(self))
        table[IGNORE] = IGNORE
        return table

    def to_train_ids(
        self, label: npt.NDArray[np.uint8], source: object, *, train_ids: bool = False
    ) -> npt.NDArray[np.uint8]:
        """Translate a label map (H, W) as it stands in a file; `source` names the file in errors.

        train_ids: the file holds train ids already (Cityscapes' *_labelTrainIds.png), whatever `label_ids` says.
        Raises DataError when a value belongs to no class and is not among the ignored ones.
        """
        table = self._is_train_id if train_ids else self._train_id_of
        unknown = cv2.LUT(label, (table == _UNKNOWN).astype(np.uint8))
        if cv2.countNonZero(unknown):
            found = _count(label[unknown != 0])
            known = [*range(len(self))] if train_ids else [*self.ids, *self.ignored_ids]
            raise DataError(
                f"{source} has label {found}, which no class has (known: {_ranges(known)}, and 255 to ignore): "
                "choose the data YAML that fits the files, or name the value in data.classes.ignored_ids"
            )
        return cv2.LUT(label, table.astype(np.uint8))  # type: ignore[return-value]

    @cached_property
    def _train_id_of_color(self) -> npt.NDArray[np.int16]:
        """By red * 65536 + green * 256 + blue: 32 MB, made when the first label file of colours is read."""
        if len(set(self.colors)) < len(self.colors):
            raise ConfigError(
                f"data.classes.colors gives {list(self.colors)}, one colour to several classes: label files of colours "
                "cannot be read; make the colours unique, or use label files of ids"
            )
        table = np.full(1 << 24, _UNKNOWN, np.int16)
        table[0] = IGNORE
        table[pack(np.asarray(self.colors))] = np.arange(len(self))
        return table

    def from_colors(self, label: npt.NDArray[np.uint8], source: object) -> npt.NDArray[np.uint8]:
        """Translate a label map of colours (H, W, 3), red first, into train ids; black is ignored unless it is a class."""
        keys = pack(label)
        translated = self._train_id_of_color[keys]
        if (translated == _UNKNOWN).any():
            found = _count(keys[translated == _UNKNOWN], unpack)
            raise DataError(
                f"{source} has the colour {found}, which no class has: add it to data.classes.colors, "
                "and make sure that the label images were never saved as JPEG or resized with blending"
            )
        return translated.astype(np.uint8)


def pack(colors: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """(..., 3) colours as single numbers."""
    red, green, blue = (colors[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def unpack(number: int) -> tuple[int, int, int]:
    """The colour (red, green, blue) of a packed number."""
    return number >> 16, number >> 8 & 255, number & 255


def _count(values: npt.NDArray[Any], show: Callable[[int], object] = int) -> str:
    """The five commonest of these values and how often each occurs, as words."""
    unique, counts = np.unique(values, return_counts=True)
    first = np.argsort(-counts, kind="stable")[:5]
    found = ", ".join(f"{show(v)} ({n} pixels)" for v, n in zip(unique[first].tolist(), counts[first], strict=True))
    return found if len(unique) <= len(first) else f"{found} and {len(unique) - len(first)} more"


def _is_byte(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= 255


def _ranges(values: Sequence[int]) -> str:
    """1, 2, 3, 7 as '1-3, 7'."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
