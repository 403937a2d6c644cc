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
class InferenceTask:
    """How frames go through a network: conf/task/inference."""

    name: str
    exit: str
    size: Any
    scales: Any
    flip: bool
    window: Any


@dataclass
class EvaluateTask(InferenceTask):
    """task=evaluate."""

    exits: bool
    max_images: int | None
    compare: str | None
    predictions: str | None
    prediction_ids: str | None


@dataclass
class PredictTask(InferenceTask):
    """task=predict."""

    outputs: Any
    format: str | None
    video: str


@dataclass
class PrepareTask:
    """task=prepare; each key is explained in conf/task."""

    name: str
    deep: bool
    save_as: str | None
    labels: bool
    lists: bool
    convert: str | None
    half: bool
    pack: bool
    compress: bool


@dataclass
class BenchmarkTask:
    """task=benchmark; each key is explained in conf/task."""

    name: str
    what: str
    frames: int
    samples: int
    scale: Any
    generated: Any


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
TASKS: dict[str, type] = {
    "train": TrainTask,
    "pretrain": TrainTask,
    "evaluate": EvaluateTask,
    "predict": PredictTask,
    "prepare": PrepareTask,
    "benchmark": BenchmarkTask,
}
