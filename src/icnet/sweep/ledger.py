"""sweep.json: what became of each job of a sweep. Written whole after every change, so that a killed sweep can go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from icnet.errors import ConfigError, DataError
from icnet.files import writing

State = Literal["pending", "running", "done", "failed", "interrupted"]
FILE = "sweep.json"
_OF_THE_SWEEP = ("sweep.", "sweep=", "+sweep.")  # how the jobs are run, not what they compute


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    folder: absolute. seconds: spent in its processes, all attempts together. error: of a failed job, its last line.
    metrics: those of its results.json once it is done.
    """

    number: int
    overrides: tuple[str, ...]
    folder: str
    state: State = "pending"
    metrics: Mapping[str, Any] | None = None
    seconds: float = 0.0
    error: str | None = None

    @property
    def miou(self) -> float | None:
        value = (self.metrics or {}).get("miou")
        return float(value) if isinstance(value, int | float) else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The overrides that decide what the job computes."""
        return tuple(o for o in self.overrides if not o.startswith(_OF_THE_SWEEP))


@dataclass
class Ledger:
    """The jobs of the sweep in `folder`, by their numbers; `put` writes each change to sweep.json at once."""

    folder: Path
    jobs: dict[int, Job] = field(default_factory=dict)

    def put(self, *jobs: Job) -> None:
        """Add jobs, or replace those of the same numbers, and write the file."""
        self.jobs.update({job.number: job for job in jobs})
        self.write()

    def change(self, number: int, **changes: Any) -> Job:
        job = replace(self.jobs[number], **changes)
        self.put(job)
        return job

    def write(self, findings: Mapping[str, Any] | None = None) -> None:
        """findings: what the jobs let one conclude, until the next change."""
        content = {"jobs": [asdict(job) for _, job in sorted(self.jobs.items())], **(findings or {})}
        with writing(self.folder / FILE) as part:
            part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def count(self, *states: State) -> int:
        return sum(job.state in states for job in self.jobs.values())


def read_ledger(folder: Path) -> Ledger:
    """The ledger in `folder`, or one made from the folders of the jobs where another launcher ran them."""
    path = folder / FILE
    if not path.is_file():
        return Ledger(folder, {job.number: job for job in _collect(folder)})
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["jobs"]
        known = {f.name for f in fields(Job)}
        jobs = [
            Job(**{**{k: v for k, v in row.items() if k in known}, "overrides": tuple(row["overrides"])})
            for row in rows
        ]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no ledger of a sweep ({error}): restore it, or choose another folder") from error
    return Ledger(folder, {job.number: job for job in jobs})


def read_metrics(folder: Path) -> Mapping[str, Any] | None:
    """The metrics of a run that came to its end, else None."""
    try:
        metrics = json.loads((folder / "results.json").read_text(encoding="utf-8"))["metrics"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return metrics if isinstance(metrics, dict) else None


def check_same(ledger: Ledger, wanted: Sequence[Sequence[str]]) -> None:
    """Refuse to go on with other jobs than those of the ledger; more of them at the end are welcome."""
    path = ledger.folder / FILE
    for number, job in sorted(ledger.jobs.items()):
        if number >= len(wanted):
            raise ConfigError(f"{path} has {len(ledger.jobs)} jobs, this sweep {len(wanted)}: {_REMEDY}")
        new = Job(number, tuple(wanted[number]), "").choices
        if set(new) != set(job.choices):
            old_only, new_only = _difference(job.choices, new), _difference(new, job.choices)
            raise ConfigError(f"job {number} differs: {path} has {old_only}, this sweep {new_only}: {_REMEDY}")


_REMEDY = "give the command that the folder was made with, or another hydra.sweep.dir"


def _difference(left: Iterable[str], right: Iterable[str]) -> str:
    """What is in `left` alone."""
    other = set(right)
    return " ".join(o for o in left if o not in other) or "nothing"


def _collect(folder: Path) -> list[Job]:
    """What can be known from the numbered folders alone."""
    jobs = []
    for path in sorted((p for p in folder.glob("*") if p.name.isdigit()), key=lambda p: int(p.name)):
        metrics = read_metrics(path)
        state: State = "running" if metrics is None else "done"
        jobs.append(Job(int(path.name), _read_overrides(path), str(path.resolve()), state, metrics))
    return jobs


def _read_overrides(folder: Path) -> tuple[str, ...]:
    path = folder / ".hydra" / "overrides.yaml"
    return tuple(str(line) for line in OmegaConf.load(path)) if path.is_file() else ()
