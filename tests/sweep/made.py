"""Jobs, ledgers and configurations for the tests of sweeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, open_dict

from icnet.files import conf_folder
from icnet.sweep.ledger import Job, Ledger, State

GRID = [("name=a", f"loss.sub4={a}", f"loss.sub24={b}") for a in (0.08, 0.16, 0.4) for b in (0.2, 0.4)]


def made(number: int, *overrides: str, miou: float | None = None, state: State | None = None, **more: Any) -> Job:
    metrics = None if miou is None else {"miou": miou, "pixel_accuracy": 0.9, "image_ms": 12.34}
    state = state or ("pending" if miou is None else "done")
    return Job(number, overrides, more.pop("folder", f"/nowhere/{number}"), state, metrics, **more)


def ledger_in(folder: Path, *jobs: Job) -> Ledger:
    ledger = Ledger(folder)
    ledger.put(*jobs)
    return ledger


def leave_results(folder: Path, miou: float = 0.5) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps({"metrics": {"miou": miou}}))


def leave_checkpoint(folder: Path) -> None:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"x")


def sweep_config(folder: Path, *overrides: str) -> DictConfig:
    """The configuration of a sweep in folder/s/d, as Hydra hands it to its launcher."""
    if not GlobalHydra.instance().is_initialized():
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return sweep_config(folder, *overrides)
    config = compose("config", [f"hydra.sweep.dir={folder}/s/d", *overrides], return_hydra_config=True)
    with open_dict(config):
        config.hydra.runtime.config_sources = []
        config.hydra.job.config_name = "config"
        config.hydra.overrides.hydra = [o for o in overrides if o.startswith("hydra")]
        config.hydra.overrides.task = []
    return config
