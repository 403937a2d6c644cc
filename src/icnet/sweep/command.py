"""The command line and the environment of a job: those of a plain single run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from icnet.arguments import quote
from icnet.sweep.ledger import Job
from icnet.sweep.plan import Step

# What Lightning, torchrun and SLURM leave in a process that trains with several others: the job is none of them
_RANK_VARIABLES = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_OF_THE_SWEEP = ("hydra.sweep", "hydra.run.dir", "hydra.mode", "hydra.launcher", "hydra/launcher", "hydra/sweeper")


def door() -> list[str]:
    """How this program was started: the script (run.py, icnet) or the module, as Lightning starts its ranks."""
    main = sys.modules["__main__"]
    if main.__spec__ is not None:
        return [sys.executable, "-m", main.__spec__.name]
    return [sys.executable, os.path.abspath(sys.argv[0])]


def build_command(job: Job, step: Step, config: DictConfig) -> list[str]:
    """The command of a job that starts, or goes on. config: that of the sweep, with its `hydra` part."""
    folder = quote(job.folder)
    if step == "resume":
        return [*door(), f"task.resume={folder}"]
    own = [f"hydra.run.dir={folder}", name_setting(config)]
    return [*door(), *_config_options(config), *job.overrides, *_hydra_overrides(config), *own]


def name_setting(config: DictConfig) -> str:
    """What tells a job the name of its sweep."""
    return f"sweep.name={quote(sweep_name(config))}"


def sweep_name(config: DictConfig) -> str:
    """sweep.name, or the last two parts of the sweep's folder: NAME/DATE_TIME where nobody chose another."""
    return str(config.sweep.name or "/".join(Path(config.hydra.sweep.dir).resolve().parts[-2:]))


def build_environment(
    inherited: Mapping[str, str], *, threads: int | None, gpus: Sequence[str] | None
) -> dict[str, str]:
    """The variables of a job. threads, gpus: its share of the machine; None leaves that as it is."""
    environment = {name: value for name, value in inherited.items() if name not in _RANK_VARIABLES}
    environment["PYTHONUNBUFFERED"] = "1"
    if threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    if gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return environment


def _config_options(config: DictConfig) -> list[str]:
    """--config-dir and --config-name, where they were given."""
    folders = [s.path for s in config.hydra.runtime.config_sources if s.provider == "command-line"]
    name = config.hydra.job.config_name
    return [f"--config-dir={f}" for f in folders] + ([f"--config-name={name}"] if name != "config" else [])


def _hydra_overrides(config: DictConfig) -> list[str]:
    return [o for o in config.hydra.overrides.hydra if not o.lstrip("+~").startswith(_OF_THE_SWEEP)]
