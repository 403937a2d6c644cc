"""Looks at every job of a sweep before the first one starts: a refused sweep writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # private: BasicSweeper (hydra 1.3)
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from icnet.config import check_config
from icnet.errors import ConfigError, ICNetError
from icnet.files import make_folder
from icnet.sweep.command import name_setting
from icnet.sweep.ledger import FILE, Ledger, check_same, read_ledger
from icnet.sweep.plan import check_folder
from icnet.sweep.study import is_study, prepare_study
from icnet.sweep.summary import say_counts
from icnet.targets import say_error

log = logging.getLogger(__name__)

_GRID = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"
_LAUNCHER = "hydra_plugins.icnet_launcher.launcher.ProcessLauncher"


class SweepGuard(Callback):
    """Hydra's callback before and after a sweep: refuses what cannot be right; a failed job gives status 1 at the end."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        if OmegaConf.select(config, "sweep.name") is not None:
            return  # a job of a sweep
        if config.hydra.sweeper.get("params"):
            choice = config.hydra.runtime.choices.get("sweep")
            raise SystemExit(f"icnet: sweep={choice} is a sweep, not a single run: start it with -m")
        if (jobs := OmegaConf.select(config, "sweep.jobs", default=1)) != 1:
            raise SystemExit(f"icnet: sweep.jobs={jobs} is for a sweep, not for a single run: start it with -m")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            prepare_sweep(config)
        except (ICNetError, HydraException, OmegaConfBaseException) as error:
            raise SystemExit(f"icnet: {say_error(error)}") from None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        from icnet.sweep.compare import compare_settings  # scipy, drawing: every other command does without
        from icnet.sweep.curve import fit_curves
        from icnet.sweep.folds import join_queues
        from icnet.sweep.page import write_page
        from icnet.sweep.table import print_sweep

        ledger = read_ledger(Path(config.hydra.sweep.dir))
        jobs = list(ledger.jobs.values())
        pairs = [pair.to_dict() for pair in compare_settings(jobs)]
        curves = [curve.to_dict() for curve in fit_curves(jobs)]
        ledger.write({name: rows for name, rows in (("pairs", pairs), ("learning_curves", curves)) if rows})
        print_sweep(ledger)
        log.info("Sweep: %s", write_page(ledger))
        if OmegaConf.select(config, "task.folds") and (queue := join_queues(ledger)):
            log.info("Which labels to mend: %s", queue)
        if ledger.count("done") < len(ledger.jobs):
            raise SystemExit(
                f"icnet: {say_counts(jobs)}; the same command with hydra.sweep.dir={ledger.folder} "
                "does only what is missing"
            )


def prepare_sweep(config: DictConfig) -> None:
    """Check all that can be known beforehand; only then touch the folder of the sweep."""
    loader = GlobalHydra.instance().config_loader()
    if type(config.sweep.jobs) is not int or config.sweep.jobs < 1:
        raise ConfigError(f"sweep.jobs is {config.sweep.jobs}: give the number of jobs side by side, at least 1")
    jobs = expand(config, loader)
    if not jobs:
        raise ConfigError("these settings make no job: one of them has no values, such as range(0,0)")
    if config.hydra.launcher._target_ != _LAUNCHER:  # a cluster's scheduler keeps the books
        check_jobs(config, jobs, loader)
        if config.sweep.name is None:
            config.hydra.overrides.task.append(name_setting(config))
        return
    folder = Path(config.hydra.sweep.dir)
    check_folder(folder)
    ledger = read_ledger(folder) if (folder / FILE).is_file() else Ledger(folder)
    if is_grid(config):
        check_same(ledger, jobs)
    check_jobs(config, jobs, loader)
    make_folder(folder)
    if is_study(config):
        prepare_study(config, ledger)


def is_grid(config: DictConfig) -> bool:
    """Whether all jobs are known beforehand, by number."""
    return bool(config.hydra.sweeper._target_ == _GRID)


def expand(config: DictConfig, loader: ConfigLoader) -> list[list[str]]:
    """The overrides of all jobs of a grid; of a search, those of one job at the start of every range."""
    params = config.hydra.sweeper.get("params") or {}
    given = [f"{key}={value}" for key, value in params.items() if isinstance(value, str)]
    parser = OverridesParser.create(config_loader=loader)
    overrides = parser.parse_overrides([*given, *config.hydra.overrides.task])
    if is_grid(config):
        batches: list[list[list[str]]] = BasicSweeper.split_arguments(overrides, None)
        return batches[0]
    return [list({o.get_key_element(): _first(o) for o in overrides}.values())]


def check_jobs(config: DictConfig, jobs: Sequence[Sequence[str]], loader: ConfigLoader) -> None:
    """Compose and check the configuration of every job; the first fault is named with its job."""
    for number, overrides in enumerate(jobs):
        try:
            job = loader.load_sweep_config(config, list(overrides))
            check_config(job)
        except (HydraException, ConfigError, ValueError) as error:  # the last: a group that is null
            raise ConfigError(f"job {number}: {say_error(error)}") from error


def _first(override: Override) -> str:
    """key=value with the first value of a sweep."""
    key, value = override.get_key_element(), override.value()
    if not override.is_sweep_override():
        return f"{key}={override.get_value_element_as_str()}"
    if isinstance(value, IntervalSweep):
        return f"{key}={value.start}"
    return f"{key}={next(iter(override.sweep_string_iterator()))}"
