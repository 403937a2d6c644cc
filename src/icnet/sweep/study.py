"""A sweep with Optuna goes on after a stop: its study is brought in line with the ledger before it asks for new trials."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, read_write

from icnet.sweep.ledger import Job, Ledger

if TYPE_CHECKING:
    import optuna


def is_study(config: DictConfig) -> bool:
    """Whether Optuna chooses the jobs."""
    return "optuna" in str(config.hydra.sweeper._target_)


def prepare_study(config: DictConfig, ledger: Ledger) -> None:
    """Ask for as many trials as are still to be done, those first that were not finished."""
    if not ledger.jobs:
        return
    sweeper = config.hydra.sweeper
    with read_write(config):
        sweeper.n_trials = max(0, sweeper.n_trials - ledger.count("done"))
        if sweeper.sampler.get("seed") is not None:
            sweeper.sampler.seed += len(ledger.jobs)  # the same seed would draw the same trials once more
    if sweeper.storage and sweeper.study_name:
        import optuna

        mend_study(optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage), ledger)


def mend_study(study: optuna.Study, ledger: Ledger) -> None:
    """Tell the study what became of trials that it believes to be running, and have it repeat the unfinished ones."""
    import optuna
    from optuna.trial import TrialState

    trials = study.get_trials()
    waiting = [t.system_attrs.get("fixed_params") for t in trials if t.state == TrialState.WAITING]
    for trial in trials:
        job = _job_of(trial.params, ledger)
        if trial.state == TrialState.RUNNING:
            if job is not None and job.miou is not None:
                study.tell(trial.number, job.miou)
                continue
            study.tell(trial.number, state=TrialState.FAIL)
        elif trial.state != TrialState.FAIL:
            continue
        if job is not None and job.state != "done" and trial.params not in waiting:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.enqueue_trial(trial.params)
            waiting.append(trial.params)


def _job_of(params: dict[str, Any], ledger: Ledger) -> Job | None:
    """The job that a trial asked for, by its parameters."""
    wanted = {f"{key}={value}" for key, value in params.items()}
    return next((job for job in ledger.jobs.values() if params and wanted <= set(job.overrides)), None)
