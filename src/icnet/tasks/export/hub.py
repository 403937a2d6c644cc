"""task=export task.format=hub: a checkpoint as a folder in the hub's layout, with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from icnet import __version__
from icnet.deploy.card import write_card
from icnet.errors import ConfigError
from icnet.predict import Predictor
from icnet.report.results import describe_machine
from icnet.tasks.evaluate.evaluate import given_setting
from icnet.tasks.export.job import read_checkpoint
from icnet.weights.download import sha256
from icnet.weights.hub import write_model

HUB = "hub"
_SCORES = ("miou", "miou_interval", "pixel_accuracy", "iou")
_UNUSED = ("precision", "size", "exit", "output", "sparse", "max_drop", "calibration", "runtime")


class Judged(NamedTuple):
    """What results.json files say of a checkpoint: its scores, and how it was trained, where they do."""

    scores: Mapping[str, Any] | None
    training: Mapping[str, Any] | None


def write_repository(cfg: DictConfig, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write its files into `folder`; what results.json says of them, metrics and protocol."""
    if unused := [f"task.{key}" for key in _UNUSED if given_setting(f"task.{key}")]:
        raise ConfigError(f"{', '.join(unused)}: without effect with task.format={HUB}; leave out")
    checkpoint, source = read_checkpoint(cfg)
    judged = read_judged(cfg.task, checkpoint)
    about = {
        "icnet": __version__,
        "architecture": dict(source.architecture),
        "classes": source.classes,
        "preprocessing": source.preprocessing,
        "frame_size": None if source.frame_size is None else list(source.frame_size),
    }
    path = write_model(folder, about, source.state)
    predictor = Predictor.from_checkpoint(path)  # as others will read it
    write_card(folder, predictor, judged.scores, judged.training, cfg.task.license)
    scores = {} if judged.scores is None else judged.scores["metrics"]
    protocol = {
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": sha256(checkpoint),
        "file": path.name,
        "bytes": path.stat().st_size,
        "parameters": predictor.engine.card.parameters,
        **describe_machine(predictor.engine.device),
    }
    return {key: scores[key] for key in _SCORES if key in scores}, protocol


def read_judged(task: DictConfig, checkpoint: Path) -> Judged:
    """task.results, and results.json of the run that the checkpoint lies in; of this checkpoint alone."""
    digest, beside = sha256(checkpoint), checkpoint.parent.parent / "results.json"
    given = None if task.results is None else _read(Path(task.results).expanduser())
    if given is not None and given["protocol"].get("checkpoint_sha256") != digest:
        raise ConfigError(f"task.results={task.results} is of another checkpoint than {checkpoint}: give its own")
    own = _read(beside) if beside.is_file() else None
    found = [each for each in (given, own) if each is not None and each["protocol"].get("checkpoint_sha256") == digest]
    if not found and task.certify:
        raise ConfigError(
            f"{checkpoint} has no results.json, from which its card is written: judge it with task=evaluate and give "
            "task.results=RUN/results.json, or task.certify=false for a card without scores"
        )
    return Judged(next(iter(found), None), next((each for each in found if "train_images" in each["protocol"]), None))


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["task"] not in ("train", "evaluate") or not isinstance(content["protocol"], dict):
            raise ValueError(f"it is of task={content['task']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} holds no scores of a network ({error}): give results.json of train or evaluate"
        ) from error
    return content
