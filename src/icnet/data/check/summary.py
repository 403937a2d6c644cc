"""What a check found, as the numbers that tables and pages show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icnet.data.check.facts import Facts
from icnet.data.check.findings import Kind, by_kind
from icnet.data.check.values import Form, count_classes, meanings, show_value, tabulate
from icnet.data.class_weights import weigh
from icnet.data.labels import IGNORE, ClassTable

_EVEN, _EXTREME = (
    3.0,
    50.0,
)  # weights of the rarest class over that of the commonest: not worth it, and too much for a loss


class ClassRow(NamedTuple):
    """A class: its share of the labelled pixels of each split, the share of the frames of each that hold it (both 0..1), and
    its weights from the training splits."""

    name: str
    color: Sequence[int]
    shares: Mapping[str, float]
    frames: Mapping[str, float]
    median_frequency: float
    log: float


class ValueRow(NamedTuple):
    """A value of the label files, as text; meaning: the class, "ignored" or "unknown"; share: of all pixels read."""

    form: Form
    value: str
    meaning: str
    pixels: int
    share: float


@dataclass(frozen=True)
class Summary:
    """The facts of a data set, seen through its classes.

    train: the splits that are trained on. advice: what to do next, as sentences.
    """

    name: str
    root: str
    facts: Facts
    train: tuple[str, ...]
    advice: tuple[str, ...] = ()

    @property
    def classes(self) -> ClassTable | None:
        """None where nothing tells what the labels mean."""
        return self.facts.classes

    @cached_property
    def found(self) -> dict[Kind, list[str]]:
        """What is to be mended, then what is worth a note."""
        return by_kind(self.facts.findings)

    @property
    def grave(self) -> dict[Kind, list[str]]:
        """What must be mended before training."""
        return {kind: texts for kind, texts in self.found.items() if kind.grave}

    @cached_property
    def class_rows(self) -> list[ClassRow]:
        if self.classes is None:
            return []
        tables = {split.name: tabulate(split.labels, self.classes) for split in self.facts.splits}
        training = np.concatenate([tabulate([], self.classes), *(tables[n] for n in self.train if n in tables)])
        median, log = (weigh(training, kind) for kind in ("median_frequency", "log"))
        shares = {name: _shares(table[:, :-1].sum(axis=0)) for name, table in tables.items()}
        frames = {
            name: ((table[:, :-1] > 0).sum(axis=0) / max(len(table), 1)).tolist() for name, table in tables.items()
        }
        return [
            ClassRow(name, tuple(color), _of(shares, index), _of(frames, index), median[index], log[index])
            for index, (name, color) in enumerate(zip(self.classes.names, self.classes.colors, strict=True))
        ]

    @property
    def weights_advice(self) -> str | None:
        """Which class weights to take; None where there are no two classes to compare."""
        rows = [row for row in self.class_rows if row.median_frequency > 0]
        if len(rows) < 2:
            return None
        rare, common = (pick(rows, key=lambda row: row.median_frequency) for pick in (max, min))
        ratio = rare.median_frequency / common.median_frequency
        words = f"by median frequency {rare.name} would weigh {ratio:.0f} times as much as {common.name}"
        if ratio < _EVEN:
            return f"Class weights: loss.class_weights=null, none are needed; {words}"
        if ratio > _EXTREME:
            return f"Class weights: loss.class_weights=log, which has bounds; {words}"
        return f"Class weights: loss.class_weights=median_frequency, {words}"

    @cached_property
    def value_rows(self) -> list[ValueRow]:
        return [row for form, counts in self.facts.values.items() for row in self._rows(form, counts)]

    @property
    def unlabelled(self) -> float:
        """Share of the pixels that are ignored, over all splits (0..1)."""
        if self.classes is None:
            return 0.0
        pixels, ignored, unknown = count_classes(self.facts.values, self.classes)
        return float(ignored / max(pixels.sum() + ignored + unknown, 1))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, for prepare.json."""
        return {
            "name": self.name,
            "root": self.root,
            "deep": self.facts.deep,
            "splits": {
                split.name: {
                    "pairs": split.pairs,
                    "missing_labels": split.missing,
                    "orphaned_labels": split.orphans,
                    "labels_read": split.labels_read,
                    "sizes": {f"{height}x{width}": count for (height, width), count in split.sizes.most_common()},
                }
                for split in self.facts.splits
            },
            "values": [row._asdict() | {"form": row.form.value} for row in self.value_rows],
            "classes": None if self.classes is None else self.classes.to_dict(),
            "class_rows": [row._asdict() for row in self.class_rows],
            "ignored_share": self.unlabelled,
            "must_mend": {kind.title: texts for kind, texts in self.grave.items()},
            "notes": {kind.title: texts for kind, texts in self.found.items() if not kind.grave},
            "advice": list(self.advice),
        }

    def _rows(self, form: Form, counts: Mapping[int, int]) -> Iterator[ValueRow]:
        known = {} if self.classes is None else meanings(self.classes, form)
        total = sum(counts.values())
        for value, pixels in sorted(counts.items(), key=lambda pair: -pair[1]):
            yield ValueRow(form, show_value(form, value), self._meaning(known.get(value)), pixels, pixels / total)

    def _meaning(self, index: int | None) -> str:
        if index is None or self.classes is None:
            return "unknown"
        return "ignored" if index == IGNORE else self.classes.names[index]


def _of(table: Mapping[str, Sequence[float]], index: int) -> dict[str, float]:
    return {split: values[index] for split, values in table.items()}


def _shares(counts: npt.NDArray[np.int64]) -> list[float]:
    shares: list[float] = (counts / max(counts.sum(), 1)).tolist()
    return shares
