"""What evaluate and predict begin with: the engine of a checkpoint, ready to read frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig

from icnet.engines.engine import Engine
from icnet.engines.exported import is_exported
from icnet.engines.load import load_engine
from icnet.engines.views import Scheme, view
from icnet.errors import ConfigError, WeightsError
from icnet.tasks.setup.device import choose_autocast
from icnet.weights.download import locate, sha256
from icnet.weights.hub import WEIGHTS

_IN_FOLDERS = ("checkpoints/best.ckpt", "best.ckpt", WEIGHTS)
_HOW_IT_RUNS = ("model.channels_last", "model.compile")


class Trained(NamedTuple):
    """A checkpoint and its engine, at the exit and by the scheme that were asked for."""

    checkpoint: Path
    engine: Engine
    scheme: Scheme


def read_trained(cfg: DictConfig, checkpoint: str | None = None) -> Trained:
    """The engine of `checkpoint`, or of `ckpt=`, as task.exit, size, scales, flip, window and trainer.precision say."""
    path = check_checkpoint(checkpoint or cfg.ckpt)
    scheme = read_scheme(cfg.task)
    whole = load_engine(path, choose_autocast(cfg.trainer), cfg.model.compile, cfg.model.channels_last)
    if is_exported(path) and cfg.model.compile:
        raise ConfigError(f"model.compile=true is for checkpoints: {path} brings its own program; leave it out")
    return Trained(path, view(whole.at(cfg.task.exit or whole.card.exit), scheme), scheme)


def check_checkpoint(given: str | None) -> Path:
    """The file that ckpt= names, by its path or hub:OWNER/NAME; it has the network, which is not chosen once more."""
    if not given:
        raise ConfigError("no checkpoint is given: add ckpt=RUN/checkpoints/best.ckpt")
    chosen = [
        o
        for o in HydraConfig.get().overrides.task
        if o.startswith(("backbone=", "model.")) and o.partition("=")[0] not in _HOW_IT_RUNS
    ]
    if chosen:
        raise ConfigError(f"{', '.join(chosen)}: a checkpoint brings its own network; leave it out")
    path = locate(given)
    if path.is_dir():
        found = next((p for p in (path / name for name in _IN_FOLDERS) if p.is_file()), None)
        raise WeightsError(
            f"{path} is a folder: give the file" + (f", ckpt={found}" if found else " of the checkpoint")
        )
    return path


def read_scheme(task: DictConfig) -> Scheme:
    """task.size, scales, flip, window."""
    return Scheme(_plain(task.size), _plain(task.scales), task.flip, _plain(task.window))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, ListConfig) else value


def describe_trained(trained: Trained) -> dict[str, Any]:
    """The part of a protocol that tells how frames went through which network."""
    scheme, card = trained.scheme, trained.engine.card
    return {
        "checkpoint": str(trained.checkpoint),
        "checkpoint_sha256": sha256(trained.checkpoint),
        "engine": card.kind,
        "exit": card.exit,
        "size": None if scheme.size is None else list(scheme.size),
        "file_size": None if card.size is None else list(card.size),  # to which an exported file resizes frames itself
        "scales": list(scheme.scales),
        "flip": scheme.flip,
        "window": None if scheme.window is None else list(scheme.window),
        "precision": card.precision,
        "parameters": card.parameters,
    }
