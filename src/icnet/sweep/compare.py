"""Which settings of a sweep differ: mIoU compared seed by seed, and how many seeds it takes to tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from icnet.sweep.ledger import Job
from icnet.sweep.summary import SeedGroup, group_seeds, percent

ONE_SEED = "one seed of each: no difference can be told from chance (sweep=seeds takes three)"
CONFIDENCE, POWER = 0.95, 0.8
_MOST_SEEDS = 100
_LARGE = 20.0  # an effect that two seeds show
_NO_SPREAD = 1e-9  # of differences that are the same with every seed, but for rounding


@dataclass(frozen=True)
class Difference:
    """mIoU with settings `a` minus mIoU with `b`.

    seeds: those that both have a score for; without any there is no difference. low, high: the bounds of its 95 % interval,
        of a paired t test. seeds_needed: with so many that test finds a difference of this size and spread in 80 % of all
        tries. None where one seed is too few to say, and where it is more than 100. missing: seeds that one of them has.
    """

    a: Mapping[str, str]
    b: Mapping[str, str]
    seeds: tuple[str, ...]
    missing: tuple[str, ...] = ()
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    seeds_needed: int | None = None

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves no doubt which is better."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, Any]:
        """As sweep.json has it."""
        return asdict(self) | {"distinguishable": self.distinguishable, "says": say_difference(self)}


def compare_settings(jobs: Sequence[Job]) -> list[Difference]:
    """Every pair of settings of a sweep over seeds, those with the best means first; none where each has one seed alone."""
    groups = group_seeds(jobs)
    return [] if has_one_seed(groups) else [_compare(a, b) for a, b in combinations(groups, 2)]


def has_one_seed(groups: Sequence[SeedGroup]) -> bool:
    """Whether there are several settings, each with a single seed."""
    return len(groups) > 1 and all(len(group.scores) == 1 for group in groups)


def count_needed(effect: float) -> int | None:
    """The fewest seeds with which a paired, two-sided t test at 5 % has the power 0.8; None: more than 100.

    effect: the mean of the differences in standard deviations of them over seeds.
    """
    seeds = np.arange(2, _MOST_SEEDS + 1)
    critical = stats.t.isf((1 - CONFIDENCE) / 2, seeds - 1)
    shift = min(effect, _LARGE) * np.sqrt(seeds)
    enough = seeds[stats.nct.sf(critical, seeds - 1, shift) >= POWER]
    return int(enough[0]) if len(enough) else None


def say_difference(found: Difference) -> str:
    """-0.30 points (-0.90 to 0.30): not distinguishable with 3 seeds; 9 would do."""
    if found.difference is None:
        return "no seed has a score with both"
    if found.low is None or found.high is None:
        return f"{percent(found.difference)} points with seed {found.seeds[0]}: one seed tells nothing apart"
    count = f"{len(found.seeds)} seeds" if not found.missing else f"the {len(found.seeds)} seeds that both have"
    if found.low == found.high == 0:
        return f"the same score with {count}"
    bounds = f"{percent(found.difference)} points ({percent(found.low)} to {percent(found.high)})"
    if found.distinguishable:
        return f"{bounds}: told apart with {count}"
    enough = f"{_MOST_SEEDS} would not do" if found.seeds_needed is None else f"{found.seeds_needed} would do"
    return f"{bounds}: not distinguishable with {count}; {enough}"


def _compare(a: SeedGroup, b: SeedGroup) -> Difference:
    both = tuple(seed for seed in a.scores if seed in b.scores)
    pair = Difference(a.settings, b.settings, both, tuple(sorted({*a.scores} ^ {*b.scores})))
    if not both:
        return pair
    ours, theirs = (np.array([group.scores[seed] for seed in both]) for group in (a, b))
    mean = round(float(np.mean(ours - theirs)), 9)
    if len(both) == 1:
        return replace(pair, difference=mean)
    spread = float(np.std(ours - theirs, ddof=1))
    if spread < _NO_SPREAD:
        return replace(pair, difference=mean, low=mean, high=mean, seeds_needed=2 if mean else None)
    low, high = stats.ttest_rel(ours, theirs).confidence_interval(CONFIDENCE)
    needed = count_needed(abs(mean) / spread)
    return replace(pair, difference=mean, low=float(low), high=float(high), seeds_needed=needed)
