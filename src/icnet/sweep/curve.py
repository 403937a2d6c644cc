"""The learning curve of a sweep over shares of the training frames: what twice the frames would bring."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from icnet.sweep.ledger import Job
from icnet.sweep.summary import SEED, choices_of, number_of, percent, settings_of, swept_keys

SHARE = "data.train_share"
_PARAMETERS = 3
_SLOWEST = np.log(0.05)  # of what one doubling brings the next brings between a twentieth and all
_MOST_TRIES = 10_000  # of a fit: scores that follow no curve take thousands
_DRAWS = 2000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """mIoU over doublings of the training frames, 0 for the largest share, fitted by least squares.

    settings: what else the jobs have in common. smallest, largest: of the shares.
    best: the score at the largest share, what one more doubling brings, the logarithm of how much of that the next brings:
        a power law in the number of frames. covariance: of these three.
    freedom: how many scores there are beyond three; without any there is no interval.
    """

    settings: Mapping[str, str]
    smallest: float
    largest: float
    best: Floats
    covariance: Floats
    freedom: int

    @property
    def gain(self) -> float:
        """What twice the frames would bring."""
        return float(self.best[1])

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The 95 % interval of the gain."""
        error = float(np.sqrt(self.covariance[1, 1]))
        if self.freedom < 1 or not np.isfinite(error):
            return None
        margin = error * float(stats.t.ppf(0.975, self.freedom))
        return self.gain - margin, self.gain + margin

    def at(self, shares: Floats) -> Floats:
        return _predict(np.log2(shares / self.largest), *self.best)

    def band(self, shares: Floats) -> tuple[Floats, Floats] | None:
        """The bounds of the 95 % interval of the curve."""
        if self.bounds is None:
            return None
        law = stats.multivariate_t(self.best, self.covariance, self.freedom, allow_singular=True)
        doublings = np.log2(shares / self.largest)
        curves = [_predict(doublings, *drawn) for drawn in law.rvs(_DRAWS, random_state=0)]
        low, high = np.percentile(curves, (2.5, 97.5), axis=0)
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """As sweep.json has it."""
        low, high = self.bounds or (None, None)
        return {"settings": self.settings, "gain": self.gain, "low": low, "high": high, "says": say_gain(self)}


def fit_curves(jobs: Sequence[Job]) -> list[LearningCurve]:
    """A curve for every choice of the other settings that has scores at three shares or more."""
    others = [key for key in swept_keys(jobs) if key not in (SEED, SHARE)]
    points: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for job in jobs:
        share = number_of(settings_of(job).get(SHARE, ""))
        if job.miou is not None and share:
            points.setdefault(tuple(choices_of(job, others).values()), []).append((share, job.miou))
    return [
        _fit(dict(zip(others, choice, strict=True)), np.array(found))
        for choice, found in points.items()
        if len({share for share, _ in found}) >= _PARAMETERS
    ]


def say_gain(curve: LearningCurve) -> str:
    """Twice the frames would bring about 2.1 points (0.9 to 3.4)."""
    words = f"twice the frames would bring about {percent(curve.gain, 1)} points"
    if curve.bounds is None:
        return f"{words}; so few scores have no interval"
    low, high = curve.bounds
    return f"{words} ({percent(low, 1)} to {percent(high, 1)})" + (", which may be nothing" if low <= 0 else "")


def _predict(doublings: Floats, score: float, gain: float, slowing: float) -> Floats:
    """score + gain (1 - r^x) / (1 - r) with r = exp(slowing); at r = 1 a line."""
    slowing = np.clip(slowing, _SLOWEST, 0)
    if slowing > -1e-6:
        return score + gain * doublings
    return score + gain * np.expm1(slowing * doublings) / np.expm1(slowing)


def _fit(settings: Mapping[str, str], points: Floats) -> LearningCurve:
    shares, scores = points.T
    smallest, largest = float(shares.min()), float(shares.max())
    start = (scores[shares == largest].mean(), np.ptp(scores) / _PARAMETERS, -0.1)
    limits = ([-np.inf, -np.inf, _SLOWEST], [np.inf, np.inf, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optimize.OptimizeWarning)  # no scores beyond the parameters: no covariance
        best, covariance = optimize.curve_fit(
            _predict, np.log2(shares / largest), scores, start, bounds=limits, max_nfev=_MOST_TRIES
        )
    return LearningCurve(settings, smallest, largest, best, covariance, len(points) - _PARAMETERS)
