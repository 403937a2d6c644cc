"""What evaluate and predict begin with: the network of a checkpoint, ready to read frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig
from torch import nn

from icnet.data.labels import ClassTable
from icnet.errors import ConfigError, WeightsError
from icnet.model.icnet import CascadeLogits, ICNet
from icnet.model.preprocess import Normalize
from icnet.predict import Predictor, Scheme
from icnet.tasks.setup.trainer import choose_autocast
from icnet.weights.checkpoint import load_checkpoint, read_checkpoint, sha256


class Trained(NamedTuple):
    """A checkpoint: its whole network, the predictor of the exit and the scheme that were asked for, its classes."""

    checkpoint: Path
    net: ICNet
    exit: str
    predictor: Predictor
    classes: ClassTable

    def at(self, stage: str) -> Predictor:
        """The predictor of another exit."""
        given = self.predictor
        return Predictor(self.net.exit_at(stage), given.normalize, given.scheme, given.autocast)


def read_trained(cfg: DictConfig, checkpoint: str | None = None) -> Trained:
    """The network of `checkpoint`, or of `ckpt=`, as task.exit, size, scales, flip, window and trainer.precision say."""
    path = check_checkpoint(checkpoint or cfg.ckpt)
    content = read_checkpoint(path)
    net = load_checkpoint(path).to(choose_device(cfg.trainer.accelerator))
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalize = Normalize(content.preprocessing["mean"], content.preprocessing["std"])
    predictor = Predictor(
        choose_exit(net, cfg.task.exit), normalize, read_scheme(cfg.task), choose_autocast(cfg.trainer)
    )
    return Trained(path, net, cfg.task.exit, predictor, ClassTable(**content.classes))


def check_checkpoint(given: str | None) -> Path:
    """The file that ckpt= names; the network is in it, and cannot be chosen once more beside it."""
    if not given:
        raise ConfigError("no checkpoint is given: add ckpt=RUN/checkpoints/best.ckpt")
    chosen = [o for o in HydraConfig.get().overrides.task if o.startswith(("backbone=", "model."))]
    if chosen:
        raise ConfigError(f"{', '.join(chosen)}: a checkpoint brings its own network; leave it out")
    path = Path(given).expanduser()
    if path.is_dir():
        found = next((p for p in (path / "checkpoints" / "best.ckpt", path / "best.ckpt") if p.is_file()), None)
        raise WeightsError(
            f"{path} is a folder: give the file" + (f", ckpt={found}" if found else " of the checkpoint")
        )
    return path


def choose_device(accelerator: str) -> torch.device:
    """A GPU where there is one and trainer.accelerator allows it."""
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def choose_exit(net: ICNet, stage: str) -> nn.Module:
    """task.exit=."""
    if stage not in CascadeLogits._fields:
        raise ConfigError(f"task.exit is {stage!r}: choose one of {', '.join(CascadeLogits._fields)}")
    return net.exit_at(stage)


def read_scheme(task: DictConfig) -> Scheme:
    """task.size, scales, flip, window."""
    return Scheme(_plain(task.size), _plain(task.scales), task.flip, _plain(task.window))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, ListConfig) else value


def describe_trained(trained: Trained) -> dict[str, Any]:
    """The part of a protocol that tells how frames went through which network."""
    scheme, predictor = trained.predictor.scheme, trained.predictor
    return {
        "checkpoint": str(trained.checkpoint),
        "checkpoint_sha256": sha256(trained.checkpoint),
        "exit": trained.exit,
        "size": None if scheme.size is None else list(scheme.size),
        "scales": list(scheme.scales),
        "flip": scheme.flip,
        "window": None if scheme.window is None else list(scheme.window),
        "precision": str(predictor.autocast or torch.float32).removeprefix("torch."),
    }
