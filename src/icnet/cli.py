"""The command line: composes the configuration, runs one task, and is the only place that prints an error and exits."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import re
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from icnet.arguments import add_folds, explain, quote, read_arguments, read_value
from icnet.config import TASKS, settle_values
from icnet.errors import ConfigError, ICNetError
from icnet.files import conf_folder, unwritable
from icnet.processes import end_with_parent, follower_arguments
from icnet.targets import say_error
from icnet.tasks.setup.resume import check_resumable, resumed_config, say_longer

# What settings and their files bring about: seen before a task runs, and while it runs
_BEFORE = (HydraException, OmegaConfBaseException, YAMLError, ValueError, TypeError, AttributeError, LookupError, OSError,
           RuntimeError)  # fmt: skip
_WHILE = (InstantiationException, OmegaConfBaseException)
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def main() -> None:
    """Entry of `python run.py` and of `icnet`."""
    logging.raiseExceptions = False  # run.log on a full disk: what fails then is said in one line, below
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what it would print
    end_with_parent()
    try:
        sys.argv[1:] = read_arguments(add_folds(sys.argv[1:]))
        sys.argv += resume_arguments(sys.argv[1:])
        sys.argv += follower_arguments(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(run)()
    except ICNetError as error:
        fail(error)
    except _BEFORE as error:
        if not isinstance(error, HydraException) and was_ours(error):
            raise
        for line in explain(error, sys.argv[1:]):
            print(f"icnet: {line}", file=sys.stderr)
        raise SystemExit(1) from None


def was_ours(error: BaseException) -> bool:
    """Whether our code was running, beside `main`: what Hydra raises without it is about settings or their files."""
    _, *below = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals["__name__"].startswith(("icnet.", "hydra_plugins.icnet")) for frame, _ in below)


def resume_arguments(arguments: list[str]) -> list[str]:
    """For task.resume=RUN_DIR: what makes Hydra go on in that folder and leave its configuration as it is."""
    given = [a for a in arguments if a.lstrip("+").startswith("task.resume=")]
    folder = read_value(given[-1]) if given else None
    if not folder:
        return []
    check_resumable(Path(folder))
    return [f"hydra.run.dir={quote(folder)}", "hydra.output_subdir=null"]


def run(cfg: DictConfig) -> None:
    """Run the task that the configuration names; an error that the user can mend becomes one line and status 1."""
    try:
        if cfg.task.get("resume"):
            resumed = resumed_config(cfg, list(HydraConfig.get().overrides.task))
            if resumed is None:
                print(f"{cfg.task.resume} has finished: its results.json is there{say_longer(Path(cfg.task.resume))}")
                return
            cfg = resumed
        run_task(cfg)
    except ICNetError as error:
        fail(error)
    except _WHILE as error:
        fail(ConfigError(say_error(error)))
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        fail(unwritable(error.filename or "a file of the run", error))


def run_task(cfg: DictConfig) -> None:
    """Import and call the function of the task."""
    settle_values(cfg)
    module, function = TASKS[cfg.task.name].split(":")
    getattr(importlib.import_module(module), function)(cfg)


def fail(error: ICNetError) -> None:
    """One line on stderr, exit status 1. SystemExit passes through Hydra without a traceback.

    An error from a loader worker arrives with the worker's traceback around it; its own line is the last.
    """
    sys.stdout.flush()
    line = str(error).strip().splitlines()[-1]
    raise SystemExit(f"icnet: {re.sub(r'^icnet[.]errors[.][A-Za-z]+: ', '', line)}")
