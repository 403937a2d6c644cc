"""hydra/launcher=processes: each job of a sweep is a plain run in a process of its own; nothing leaks between them."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from icnet.errors import ICNetError
from icnet.sweep.ledger import Job

# No dataclass: Hydra runs this file before it is a module that `dataclass` could ask for its annotations.
_SETTINGS = {"_target_": "hydra_plugins.icnet_launcher.launcher.ProcessLauncher"}
ConfigStore.instance().store(group="hydra/launcher", name="processes", node=_SETTINGS, provider="icnet")


class ProcessLauncher(Launcher):
    """Hands the jobs that Hydra's sweeper asks for to icnet.sweep, and their mIoU back to the sweeper."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from icnet.sweep.launch import Sweep  # Hydra loads this file for every command, `--help` included

        self._sweep = Sweep(config, hydra_context.config_loader)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        configure_log(self._sweep.config.hydra.hydra_logging, self._sweep.config.hydra.verbose)
        try:
            jobs = self._sweep.launch(job_overrides, initial_job_idx)
        except ICNetError as error:
            raise SystemExit(f"icnet: {error}") from None
        return [_to_return(job) for job in jobs]


def _to_return(job: Job) -> JobReturn:
    """A job without a result returns None: a grid goes on, and Optuna notes a failed trial. The ledger has the reason."""
    result = JobReturn(overrides=job.overrides, working_dir=job.folder, status=JobStatus.COMPLETED)
    result.return_value = job.miou
    return result
