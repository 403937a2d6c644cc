"""A search with Optuna that goes on after a stop; skipped without the extra `optuna`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.sweep.made import ledger_in, made, sweep_config

from icnet.sweep.study import mend_study, prepare_study

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")


def ask(study: Any) -> Any:
    trial = study.ask()
    trial.suggest_float("loss.sub4", 0.02, 1.0, log=True)
    return trial


def overrides_of(trial: Any) -> tuple[str, ...]:
    return (*(f"{key}={value}" for key, value in trial.params.items()), "name=x")


def states_of(study: Any) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_a_trial_whose_job_is_done_gets_its_value_and_an_unfinished_one_is_asked_for_again(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    done, killed, failed = ask(study), ask(study), ask(study)
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    ledger = ledger_in(
        tmp_path,
        made(0, *overrides_of(done), miou=0.5),
        made(1, *overrides_of(killed), state="running"),
        made(2, *overrides_of(failed), state="failed"),
    )
    mend_study(study, ledger)
    mend_study(study, ledger)  # nothing is asked for twice
    assert states_of(study) == ["COMPLETE", "FAIL", "FAIL", "WAITING", "WAITING"]
    assert study.best_value == 0.5
    assert [ask(study).params for _ in range(2)] == [killed.params, failed.params]


def test_what_failed_and_was_done_later_is_not_repeated(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    failed = ask(study)
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    mend_study(study, ledger_in(tmp_path, made(0, *overrides_of(failed), miou=0.5)))
    assert states_of(study) == ["FAIL"]


def test_only_the_trials_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    config = sweep_config(
        tmp_path, "sweep=loss_weights_optuna", "hydra.sweeper.n_trials=5", "hydra.sweeper.storage=null"
    )
    prepare_study(config, ledger_in(tmp_path, made(0, "a=1", miou=0.5), made(1, "a=2", state="failed")))
    assert config.hydra.sweeper.n_trials == 4
    assert (
        config.hydra.sweeper.sampler.seed == config.seed + 2
    )  # the seed of the start would draw the same trials again
