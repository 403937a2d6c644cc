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
FORMS = ("ids", "colors", "alpha")
_VOID = (IGNORE, 65535)  # all bits set, in label files of 8 and of 16
LARGEST = 65535
INSTANCE = 1000  # times the class, plus the number of the instance, in Cityscapes' *_instanceIds.png
_UNKNOWN = -1


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data set, in the order of their train ids 0..n-1.

    names, colors: one per class; a colour is (red, green, blue) in 0..255.
    label_ids: the value that stands for each class in the label files (Cityscapes: road is 7), 255 where that is no void;
        None when the files hold train ids already.
    ignored_ids: the values that may occur in the label files and are left out of loss and metrics, beside 255 (and 65535).
    categories: one per class, the group that it is also scored as part of (Cityscapes: road is flat); None without groups.
    instance_sizes: by class, the average number of pixels of an instance, for scores that weigh small ones up; classes that
        it does not name have no instances; None where the data set has none.
    form: what of a label file is read, where it can be read in several ways: "ids", of equal channels one; "colors", of a
        palette the colours, and not the places in it; "alpha", that channel alone. None: grey files and palettes hold ids,
        others colours.
    """

    names: Sequence[str]
    colors: Sequence[Sequence[int]]
    label_ids: Sequence[int] | None = None
    ignored_ids: Sequence[int] = ()
    categories: Sequence[str] | None = None
    instance_sizes: Mapping[str, float] | None = None
    form: str | None = None

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
            if not (isinstance(color, tuple) and len(color) == 3 and all(is_whole(c) for c in color)):
                shown = list(color) if isinstance(color, tuple) else color
                raise ConfigError(
                    f"data.classes.colors: {name} has {shown}; a colour is [red, green, blue], whole numbers in 0..255"
                )
        for field, ids in (("label_ids", self.ids), ("ignored_ids", self.ignored_ids)):
            if wrong := [v for v in ids if not is_whole(v, LARGEST)]:
                raise ConfigError(f"data.classes.{field} has {wrong}: label files hold whole numbers in 0..{LARGEST}")
        if self.form not in (None, *FORMS):
            raise ConfigError(f"data.classes.form is {self.form!r}: give {', '.join(FORMS)} or null")
        clash = set(self.ids) & set(self.ignored_ids)
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
            **({} if self.form is None else {"form": self.form}),
        }

    @cached_property
    def palette(self) -> npt.NDArray[np.uint8]:
        """(256, 3) colours by train id; ignored pixels are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = np.asarray(self.colors, np.uint8)
        return table

    @cached_property
    def _train_id_of(self) -> npt.NDArray[np.int32]:
        table = np.full(LARGEST + 1, _UNKNOWN, np.int32)
        table[[*self.ignored_ids, *_VOID]] = IGNORE
        table[list(self.ids)] = np.arange(len(self))
        return table

    @cached_property
    def _is_train_id(self) -> npt.NDArray[np.int32]:
        table = np.full(LARGEST + 1, _UNKNOWN, np.int32)
        table[: len(self)] = np.arange(len(self))
        table[list(_VOID)] = IGNORE
        return table

    def meanings(self, *, train_ids: bool = False) -> dict[int, int]:
        """The train id of every value that label files may hold; 255 for those that are ignored."""
        table = self._is_train_id if train_ids else self._train_id_of
        return {int(value): int(table[value]) for value in np.flatnonzero(table != _UNKNOWN)}

    def to_train_ids(
        self, label: npt.NDArray[np.uint8 | np.uint16], source: object, *, train_ids: bool = False
    ) -> npt.NDArray[np.uint8]:
        """Translate a label map (H, W) as it stands in a file; `source` names the file in errors.

        train_ids: the file holds train ids already (Cityscapes' *_labelTrainIds.png), whatever `label_ids` says.
        Raises DataError when a value belongs to no class and is not among the ignored ones.
        """
        table = self._is_train_id if train_ids else self._train_id_of
        unknown = _look_up(label, (table == _UNKNOWN).astype(np.uint8))
        if cv2.countNonZero(unknown):
            raise self.refuse_ids(_count(label[unknown != 0]), source, train_ids=train_ids)
        return _look_up(label, table.astype(np.uint8))

    def refuse_ids(self, counts: Mapping[int, int], source: object, *, train_ids: bool = False) -> DataError:
        """What to say of a label file with these values, which no class has. counts: their pixels."""
        if min(counts) >= INSTANCE:
            return DataError(
                f"{source} holds {_show(counts)}: these look like instance ids (class x {INSTANCE} + number), and label "
                f"maps hold class ids; take the files of those (Cityscapes: *_labelIds.png), or divide by {INSTANCE}"
            )
        known = [*range(len(self))] if train_ids else [*self.ids, *self.ignored_ids]
        ignored = "" if IGNORE in known else ", and 255 to ignore"
        return DataError(
            f"{source} has label {_show(counts)}, which no class has (known: {_ranges(known)}{ignored}): "
            "choose the data YAML that fits the files, or name the value in data.classes.ignored_ids"
        )

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

    def from_colors(self, label: npt.NDArray[Any], source: object) -> npt.NDArray[np.uint8]:
        """Translate a label map of colours (H, W, 3), red first, into train ids; black is ignored unless it is a class."""
        keys = pack(label)
        translated = self._train_id_of_color[keys]
        if (translated == _UNKNOWN).any():
            raise self.refuse_colors(_count(keys[translated == _UNKNOWN]), source)
        return translated.astype(np.uint8)

    def refuse_colors(self, counts: Mapping[int, int], source: object) -> DataError:
        """What to say of a label file with these packed colours, which no class has. counts: their pixels."""
        remedy = "add it to data.classes.colors, " + (
            "or, where ids stand in three equal channels, take data.classes.form=ids"
            if all(map(is_grey, counts))
            else "and make sure that the label images were never saved as JPEG or resized with blending"
        )
        return DataError(f"{source} has the colour {_show(counts, unpack)}, which no class has: {remedy}")


def pack(colors: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """(..., 3) colours as single numbers."""
    red, green, blue = (colors[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def unpack(number: int) -> tuple[int, int, int]:
    """The colour (red, green, blue) of a packed number."""
    return number >> 16, number >> 8 & 255, number & 255


def is_grey(color: int) -> bool:
    """Whether a packed colour has equal channels."""
    return color % 0x010101 == 0


def _look_up(label: npt.NDArray[np.uint8 | np.uint16], table: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """table[label], which OpenCV does faster for 8 bits."""
    return cv2.LUT(label, table[:256]) if label.dtype == np.uint8 else table[label]  # type: ignore[return-value]


def _count(values: npt.NDArray[Any]) -> dict[int, int]:
    unique, counts = np.unique(values, return_counts=True)
    return dict(zip(unique.tolist(), counts.tolist(), strict=True))


def _show(counts: Mapping[int, int], show: Callable[[int], object] = int) -> str:
    """The five commonest of these values and how often each occurs, as words."""
    first = sorted(counts, key=lambda value: -counts[value])[:5]
    found = ", ".join(f"{show(value)} ({counts[value]} pixels)" for value in first)
    return found if len(counts) <= len(first) else f"{found} and {len(counts) - len(first)} more"


def is_whole(value: object, largest: int = 255) -> bool:
    """Whether this is a whole number in 0..largest."""
    return isinstance(value, int) and 0 <= value <= largest


def _ranges(values: Sequence[int]) -> str:
    """1, 2, 3, 7 as '1-3, 7'."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
