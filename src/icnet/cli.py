"""The command line: composes the configuration, runs one task, and is the only place that prints an error and exits."""

from __future__ import annotations

import errno
import importlib
import logging
import re
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from icnet.config import TASKS, conf_folder, suggest
from icnet.errors import ICNetError
from icnet.files import unwritable
from icnet.processes import end_with_parent, follower_arguments
from icnet.tasks.setup.resume import check_resumable, resumed_config

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def main() -> None:
    """Entry of `python run.py` and of `icnet`."""
    logging.raiseExceptions = False  # run.log on a full disk: what fails then is said in one line, below
    end_with_parent()
    try:
        sys.argv += resume_arguments(sys.argv[1:])
        sys.argv += follower_arguments(sys.argv[1:])
    except ICNetError as error:
        fail(error)
    try:
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(run)()
    except SystemExit as stop:
        if stop.code == 1:  # Hydra refused; our own errors carry their line
            print_suggestions(sys.argv[1:])
        raise


def print_suggestions(arguments: list[str]) -> None:
    """After Hydra's own message: the nearest setting for each misspelt one of the command line."""
    for line in suggest(arguments, conf_folder()):
        print(f"icnet: {line}", file=sys.stderr)


def resume_arguments(arguments: list[str]) -> list[str]:
    """For task.resume=RUN_DIR: what makes Hydra go on in that folder and leave its configuration as it is.

    A name with spaces comes in the quotes that Hydra's grammar wants, and goes on in them.
    """
    given = [a.partition("=")[2] for a in arguments if a.startswith("task.resume=")]
    if not given or given[-1] in ("", "null"):
        return []
    check_resumable(Path(given[-1].strip("'\"")))
    return [f"hydra.run.dir={given[-1]}", "hydra.output_subdir=null"]


def run(cfg: DictConfig) -> None:
    """Run the task that the configuration names; an error that the user can mend becomes one line and status 1."""
    try:
        if cfg.task.get("resume"):
            resumed = resumed_config(cfg, list(HydraConfig.get().overrides.task))
            if resumed is None:
                print(
                    f"{cfg.task.resume} has finished: its results.json is there. Give trainer.max_steps to train longer"
                )
                return
            cfg = resumed
        run_task(cfg)
    except ICNetError as error:
        fail(error)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        fail(unwritable(error.filename or "a file of the run", error))


def run_task(cfg: DictConfig) -> None:
    """Import and call the function of the task."""
    module, function = TASKS[cfg.task.name].split(":")
    getattr(importlib.import_module(module), function)(cfg)


def fail(error: ICNetError) -> None:
    """One line on stderr, exit status 1. SystemExit passes through Hydra without a traceback.

    An error from a loader worker arrives with the worker's traceback around it; its own line is the last.
    """
    sys.stdout.flush()
    line = str(error).strip().splitlines()[-1]
    raise SystemExit(f"icnet: {re.sub(r'^icnet[.]errors[.][A-Za-z]+: ', '', line)}")
