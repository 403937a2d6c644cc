"""Which frames of a data set train, and which validate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from icnet.data.samples import Layout, Sample
from icnet.data.subset import deal_folds, draw_groups, split_off
from icnet.errors import ConfigError, DataError

_USUAL = (r"^.+(?=[_-]\d+$)", r"^[^_-]+(?=[_-])")  # all before the last number, or before the first sign that parts
_FEWEST = 3  # frames of each group that is proposed


@dataclass(frozen=True)
class Division:
    """Which frames train, and which validate.

    train, val: names of splits. fraction: about this share of the training splits (0..1), drawn with a fixed seed, validates
    in place of `val`. group: a regular expression; frames in whose name (without suffix) it finds the same text belong
    together: those of a drive, a camera, a day; a fraction takes whole groups. holdout: these groups of the training splits
    validate in place of `val`, all others train.
    folds, fold: of so many parts of all these frames, see `deal_folds`, the one that validates; then nothing else says so.
    """

    train: Sequence[str]
    val: Sequence[str]
    fraction: float | None = None
    group: str | None = None
    holdout: Sequence[str] = ()
    folds: int | None = None
    fold: int = 0

    def __post_init__(self) -> None:
        fits = type(self.folds) is int and self.folds > 1 and self.fold in range(self.folds)
        if not fits and (self.folds is not None or self.fold):
            raise ConfigError(
                f"data.folds is {self.folds} and data.fold {self.fold}: give 2 folds or more, and one of 0, 1, ... of them"
            )
        if self.fraction is not None and not 0 < self.fraction < 1:
            raise ConfigError(f"data.val_fraction is {self.fraction}: give a share between 0 and 1, e.g. 0.2")
        if self.fraction is not None and self.holdout:
            raise ConfigError(
                "data.val_fraction and data.holdout both say which training frames validate: give one of them"
            )
        if self.holdout and self.group is None:
            raise ConfigError(
                "data.holdout needs data.group, a regular expression that finds in a frame's name what it shares with those "
                "that belong to it, e.g. data.group='^[^_]+'"
            )
        try:
            re.compile(self.group or "")
        except re.error as error:
            raise ConfigError(f"data.group={self.group!r} is no regular expression: {error}") from error

    @property
    def cuts(self) -> bool:
        """Whether validation is cut from the training splits."""
        return self.fraction is not None or bool(self.holdout) or self.folds is not None

    @property
    def divided(self) -> Sequence[str]:
        """The splits that training is cut from: with folds those of validation, too, where nothing was cut before."""
        joined = self.folds is not None and self.fraction is None and not self.holdout
        return list(dict.fromkeys([*self.train, *self.val])) if joined else self.train

    @property
    def packed_val(self) -> Sequence[str]:
        """The splits that the frames of validation lie in."""
        return self.divided if self.cuts else self.val

    @property
    def words(self) -> str:
        """What training validates on."""
        train = "+".join(self.divided)
        if self.folds is not None:
            return f"fold {self.fold + 1} of {self.folds} of {train}"
        if self.holdout:
            return f"{'+'.join(self.holdout)} of {train}"
        return "+".join(self.val) if self.fraction is None else f"{self.fraction} of {train}"

    def divide(self, layout: Layout) -> tuple[list[Sample], list[Sample]]:
        """The frames of training and of validation; DataError where a part is empty or no group has a name."""
        train = frames_of(layout, self.divided)
        return self.cut(train) if self.cuts else (train, frames_of(layout, self.val))

    def find_validation(self, layout: Layout) -> list[Sample]:
        """The frames of validation alone."""
        return self.divide(layout)[1] if self.cuts else frames_of(layout, self.val)

    def find(self, layout: Layout, splits: Sequence[str]) -> list[Sample]:
        """The frames of some splits. Where validation is cut from the training splits, "train" and "val" name the parts."""
        if not self.cuts:
            return frames_of(layout, splits)
        parts = dict(zip(("train", "val"), self.divide(layout), strict=True))
        return [s for split in splits for s in parts.get(split) or layout.samples(split)]

    def cut(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
        """(training, validation) of the frames of the training splits."""
        if self.folds is not None:
            return self._cut_fold(samples, self.folds)
        if self.group is None:
            assert self.fraction is not None
            return split_off(samples, self.fraction)
        groups = [group_of(sample, self.group) for sample in samples]
        aside = set(self.holdout) or draw_groups(groups, self.fraction or 0)
        where = f"of {'+'.join(self.train)}, in which data.group finds {say_groups(groups)}"
        if absent := aside - set(groups):
            raise DataError(f"data.holdout={'+'.join(sorted(absent))} is no group {where}")
        if aside == set(groups):
            what = (
                f"data.holdout={'+'.join(sorted(aside))} are"
                if self.holdout
                else f"data.val_fraction={self.fraction} takes"
            )
            raise DataError(f"{what} all groups {where}: leave one to train on")
        return _part(samples, [name in aside for name in groups])

    def _cut_fold(self, samples: Sequence[Sample], folds: int) -> tuple[list[Sample], list[Sample]]:
        groups = [str(s.image) if self.group is None else group_of(s, self.group) for s in samples]
        if len(set(groups)) < folds:
            what = "frames" if self.group is None else f"groups that data.group finds: {say_groups(groups)}"
            raise DataError(f"task.folds={folds} is more than the {len(set(groups))} {what}; give fewer folds")
        return _part(samples, [fold == self.fold for fold in deal_folds(groups, folds)])


def _part(samples: Sequence[Sample], aside: Sequence[bool]) -> tuple[list[Sample], list[Sample]]:
    """(the others, those that are set aside)"""
    sides: tuple[list[Sample], list[Sample]] = [], []
    for sample, chosen in zip(samples, aside, strict=True):
        sides[chosen].append(sample)
    return sides


def frames_of(layout: Layout, splits: Sequence[str]) -> list[Sample]:
    """The frames of several splits, one after the other."""
    return [sample for split in splits for sample in layout.samples(split)]


def group_of(sample: Sample, expression: str) -> str:
    """What a frame shares with those that belong to it; a frame in whose name nothing is found stands alone."""
    found = re.search(expression, sample.image.stem)
    return found[0] if found else sample.image.stem


def say_groups(groups: Iterable[str]) -> str:
    """The largest groups, with how many frames they have."""
    there = Counter(groups)
    return ", ".join(f"{name} ({count})" for name, count in there.most_common(8)) + (", ..." if len(there) > 8 else "")


def propose_group(samples: Sequence[Sample]) -> str | None:
    """An expression by whose groups frames of one's own fall into drives, cameras or days; None where names tell nothing.

    Names that end in a number which counts frames, as most recorders write them; in each of two groups or more there must be
    several frames.
    """
    for expression in _USUAL:
        sizes = Counter(group_of(sample, expression) for sample in samples)
        if len(sizes) > 1 and min(sizes.values()) >= _FEWEST:
            return expression
    return None


def find_cut(samples: Sequence[Sample], share: float) -> str | None:
    """`propose_group`, where groups make a validation of half to twice the share; None where they do not."""
    expression = propose_group(samples)
    if expression is None:
        return None
    groups = [group_of(sample, expression) for sample in samples]
    drawn = draw_groups(groups, share)
    return expression if share / 2 <= sum(name in drawn for name in groups) / len(groups) <= 2 * share else None


def find_shared(train: Iterable[Sample], val: Iterable[Sample], expression: str) -> Counter[str]:
    """The groups that have frames in both parts, and how many of them validate."""
    known = {group_of(sample, expression) for sample in train}
    return Counter(name for name in (group_of(sample, expression) for sample in val) if name in known)
