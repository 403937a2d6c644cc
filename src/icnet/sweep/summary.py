"""What a sweep says: which settings it varies, its jobs in order, means over seeds, and each job in words."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from icnet.report import values
from icnet.report.values import duration, say_count
from icnet.sweep.ledger import Job

SEED = "seed"
_LONG = 8  # characters: what a search draws has sixteen digits


@dataclass(frozen=True)
class SeedGroup:
    """The jobs that differ in their seed alone. scores: mIoU by seed."""

    settings: Mapping[str, str]
    scores: Mapping[str, float]

    @property
    def mean(self) -> float:
        return statistics.mean(self.scores.values())

    @property
    def std(self) -> float | None:
        """Of the sample (n - 1); None for a single job."""
        return statistics.stdev(self.scores.values()) if len(self.scores) > 1 else None


def settings_of(job: Job) -> dict[str, str]:
    """The overrides of a job by key."""
    pairs = (override.lstrip("+").partition("=") for override in job.choices)
    return {key: value for key, _, value in pairs}


def swept_keys(jobs: Iterable[Job]) -> list[str]:
    """The settings that are not the same in all jobs, in the order of the command line."""
    rows = [settings_of(job) for job in jobs]
    keys = dict.fromkeys(key for row in rows for key in row)
    return [key for key in keys if len({row.get(key) for row in rows}) > 1]


def choices_of(job: Job, keys: Sequence[str]) -> dict[str, str]:
    """The values that a job has for the swept settings, long numbers rounded; a dash where it leaves one as it is."""
    settings = settings_of(job)
    return {key: _short(settings.get(key, "-")) for key in keys}


def rank(jobs: Iterable[Job]) -> list[Job]:
    """Best mIoU first, then the jobs without one by their number."""
    return sorted(jobs, key=lambda job: (job.miou is None, -(job.miou or 0.0), job.number))


def number_of(value: str) -> float | None:
    """A swept value as a number, None where it is a word."""
    try:
        return float(value)
    except ValueError:
        return None


def group_seeds(jobs: Sequence[Job]) -> list[SeedGroup]:
    """Mean and standard deviation of mIoU over the seeds for every choice of the other settings, best mean first."""
    others = [key for key in swept_keys(jobs) if key != SEED]
    groups: dict[tuple[str, ...], dict[str, float]] = {}
    for job in jobs:
        seed = settings_of(job).get(SEED)
        if job.miou is not None and seed is not None:
            groups.setdefault(tuple(choices_of(job, others).values()), {})[seed] = job.miou
    made = [SeedGroup(dict(zip(others, choice, strict=True)), scores) for choice, scores in groups.items()]
    return sorted(made, key=lambda group: -group.mean)


def say_seeds(group: SeedGroup) -> str:
    """61.2 ± 0.4 % over 3 seeds."""
    spread = "" if group.std is None else f" ± {percent(group.std)}"
    return f"{percent(group.mean)}{spread} % over {say_count(len(group.scores), 'seed')}"


def percent(ratio: float | None, digits: int = 2) -> str:
    """Per cent with two decimals, in which jobs of a sweep may differ; nothing for None."""
    return "" if ratio is None else values.percent(ratio, digits)


def image_ms(job: Job) -> str:
    """The forward pass of one image in ms, as its report has it; nothing where it was not measured."""
    value = (job.metrics or {}).get("image_ms")
    return "" if value is None else f"{value:.1f}"


def say_settings(settings: Mapping[str, str], between: str = " ") -> str:
    """loss.sub4=0.08 loss.sub24=0.2; all jobs where nothing else is swept."""
    return between.join(f"{key}={value}" for key, value in settings.items()) or "all jobs"


def name_job(job: Job, jobs: Sequence[Job]) -> str:
    """#3 loss.sub4=0.08."""
    keys = swept_keys(jobs) or list(settings_of(job))
    return " ".join([f"#{job.number}", *(f"{key}={value}" for key, value in choices_of(job, keys).items())])


def say_state(job: Job) -> str:
    """done after 4 min, mIoU 61.23 %."""
    took = f" after {duration(job.seconds)}" if job.seconds else ""
    if job.state == "done":
        return f"done{took}" + ("" if job.miou is None else f", mIoU {percent(job.miou)} %")
    if job.state == "failed":
        return f"failed{took}: {job.error}"
    return f"{job.state}{took}"


def say_counts(jobs: Sequence[Job]) -> str:
    """4 of 6 done, 1 failed, 1 interrupted."""
    parts = [f"{sum(job.state == 'done' for job in jobs)} of {len(jobs)} done"]
    for state in ("running", "failed", "interrupted", "pending"):
        count = sum(job.state == state for job in jobs)
        parts += [f"{count} {state}"] if count else []
    return ", ".join(parts)


def _short(value: str) -> str:
    number = number_of(value)
    return value if number is None or len(value) <= _LONG else f"{number:.4g}"
