"""task.resume=RUN_DIR: the configuration of an earlier run, to go on in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from icnet.config import read_saved
from icnet.errors import ConfigError

# What may be given anew; anything else would make it another run
ANEW = ("trainer.max_steps", "trainer.max_epochs", "trainer.devices", "logger", "data.num_workers")
_LONGER = ("trainer.max_steps", "trainer.max_epochs")
_IN_ROUNDS = ("compress",)  # tasks that train several times, each time as long


def resumed_config(cfg: DictConfig, overrides: Sequence[str]) -> DictConfig | None:
    """The run's own configuration with what `overrides` may give anew; None where the run has finished.

    cfg: what the command line composed; its `task.resume` names the folder.
    overrides: the command line's settings.
    """
    folder = Path(cfg.task.resume)
    saved = read_saved(check_resumable(folder))
    given = [o for o in overrides if _key(o) != "task.resume" and o not in _earlier(folder)]
    keys = [_key(o) for o in given if not _is_as_before(o, cfg, saved, folder)]
    in_rounds = saved.task.name in _IN_ROUNDS
    anew = [key for key in ANEW if not (in_rounds and key in _LONGER)]
    refused = [key for key in keys if key not in anew]
    if refused:
        start = "" if in_rounds else f" with task.weights={folder}/checkpoints/last.ckpt"
        raise ConfigError(
            f"{', '.join(refused)} would make {folder} another run: start a new one{start}, or resume with none but "
            f"{', '.join(anew)}"
        )
    for key in keys:
        OmegaConf.update(saved, key, OmegaConf.select(cfg, key), merge=False)
    if (folder / "results.json").is_file() and not any(key in _LONGER for key in keys):
        return None
    saved.task.resume = str(folder)
    return saved


def say_longer(folder: Path) -> str:
    """What trains a run on that has finished, where something does."""
    return (
        "" if read_saved(check_resumable(folder)).task.name in _IN_ROUNDS else ". A larger trainer.max_steps trains on"
    )


def check_resumable(folder: Path) -> Path:
    """The configuration that the run in `folder` left."""
    path = folder / ".hydra" / "config.yaml"
    if not path.is_file():
        raise ConfigError(
            f"{folder} holds no run: task.resume takes the folder that has .hydra/config.yaml and checkpoints/"
        )
    return path


def _earlier(folder: Path) -> list[str]:
    """What the run was told of each setting; of several the last."""
    path = folder / ".hydra" / "overrides.yaml"
    return list({_key(str(o)): str(o) for o in OmegaConf.load(path)}.values()) if path.is_file() else []


def _is_as_before(override: str, cfg: DictConfig, saved: DictConfig, folder: Path) -> bool:
    """Whether the run has this value, or this choice of a group, anyway."""
    path, key = folder / ".hydra" / "hydra.yaml", _key(override)
    choice = OmegaConf.load(path).hydra.runtime.choices.get(key) if path.is_file() else None
    if choice is not None:
        return override.partition("=")[2] == choice
    return bool(OmegaConf.select(cfg, key) == OmegaConf.select(saved, key))


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
