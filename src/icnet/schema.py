"""The keys that a configuration has at its top, as dataclasses; what lies below is checked against what it builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class TrainTask:
    """task=train and task=pretrain; each key is explained in conf/task."""

    name: str
    weights: str | None
    resume: str | None
    save_every_steps: int | None
    save_every_minutes: float | None


@dataclass
class Model:
    """The network, beside its backbone."""

    backbone: Any
    fusion_channels: int | None
    align_corners: bool
    channels_last: bool
    compile: bool


@dataclass
class Sweep:
    """What conf/sweep explains."""

    jobs: int
    name: str | None


@dataclass
class Root:
    """The top of the configuration."""

    task: Any
    model: Model
    data: Any
    loss: Any
    optimizer: Any
    scheduler: Any
    module: Any
    trainer: Any
    callbacks: Any
    logger: Any
    sweep: Sweep
    ckpt: str | None
    source: str | None
    name: str
    seed: int


# The keys of each task, by its name
TASKS: dict[str, type] = {"train": TrainTask, "pretrain": TrainTask}
