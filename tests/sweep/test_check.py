"""The configuration of a sweep, looked at before its first job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from tests.sweep.made import sweep_config

from icnet.config import check_config
from icnet.errors import ConfigError
from icnet.files import conf_folder
from icnet.sweep.check import SweepGuard, check_jobs, expand
from icnet.sweep.command import sweep_name


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def test_each_job_of_a_grid_is_known_beforehand(tmp_path: Path, loader: ConfigLoader) -> None:
    config = sweep_config(tmp_path, "sweep=loss_weights")
    config.hydra.overrides.task = ["sweep=loss_weights", "loss.sub24=0.3"]  # the command line wins
    jobs = [[f"loss.sub4={a}", "loss.sub24=0.3", "sweep=loss_weights"] for a in ("0.08", "0.16", "0.4")]
    assert expand(config, loader) == jobs
    check_jobs(config, jobs, loader)


def test_loss_weights_is_a_grid_around_the_authors_weights(tmp_path: Path, loader: ConfigLoader) -> None:
    config = sweep_config(tmp_path, "sweep=loss_weights")
    assert len(expand(config, loader)) == 6
    assert "hydra.mode" not in (conf_folder() / "sweep" / "loss_weights.yaml").read_text()
    assert OmegaConf.to_container(config.sweep) == {"jobs": 1, "name": None}
    check_config(config)


@pytest.mark.parametrize(
    ("name", "given", "count", "last"),
    [
        ("seeds", ["loss=cascade,cascade_ohem", "seed=0,1,2,3"], 8, ["seed=3", "loss=cascade_ohem"]),
        ("labels", [], 12, ["data.train_share=1", "seed=2"]),
        ("branches", ["ckpt=a.ckpt"], 3, ["task.exit=sub124", "ckpt=a.ckpt"]),
        ("guidance", ["seed=0"], 2, ["loss=cascade_unguided", "seed=0"]),
        ("fusion", [], 15, ["model.fusion=bilinear", "seed=2"]),
        ("keep_rate", ["ckpt=a.ckpt"], 2, ["task.rank=random", "ckpt=a.ckpt"]),
        ("folds", [], 5, ["data.fold=4"]),
    ],
)
def test_each_sweep_that_comes_along_has_its_jobs_and_they_compose(
    tmp_path: Path, loader: ConfigLoader, name: str, given: list[str], count: int, last: list[str]
) -> None:
    config = sweep_config(tmp_path, f"sweep={name}")
    config.hydra.overrides.task = [f"sweep={name}", *given]
    jobs = expand(config, loader)
    assert len(jobs) == count
    assert [override for override in jobs[-1] if override != f"sweep={name}"] == last
    check_jobs(config, jobs[-1:], loader)


def test_the_exits_are_judged_one_by_one_and_guidance_is_off_where_it_is_to_be(
    tmp_path: Path, loader: ConfigLoader
) -> None:
    judged = loader.load_sweep_config(sweep_config(tmp_path), ["sweep=branches", "task.exit=sub24"])
    assert (judged.task.name, judged.task.exit, judged.task.exits) == ("evaluate", "sub24", False)
    unguided = loader.load_sweep_config(sweep_config(tmp_path), ["sweep=guidance", "loss=cascade_unguided"])
    assert [unguided.loss[stage] for stage in ("sub4", "sub24", "sub124")] == [0, 0, 1]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("loss.sub8=1", "job 1: Could not override 'loss.sub8'"),
        ("+loss.sub8=1", r"job 1: loss\.sub8 is not a setting: did you mean sub4\?"),
        (
            "loss=casc",
            "job 1: .*Could not find 'loss/casc'.*cascade_equal cascade_ohem cascade_unguided .*distill_dist$",
        ),
        ("loss=null", "job 1: Config group override must be a string or a list"),
        ("loss=???", "job 1: You must specify 'loss'"),
        ("loss.sub4=much", r"job 1: loss\.sub4 is 'much': expected float"),
    ],
)
def test_a_fault_in_a_later_job_is_named_before_the_first_one_starts(
    tmp_path: Path, loader: ConfigLoader, second: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_jobs(sweep_config(tmp_path), [["loss.sub4=0.1"], [second]], loader)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("jobs", ["0", "many", "1.5"])
def test_a_number_of_jobs_side_by_side_that_is_none_is_refused(tmp_path: Path, loader: ConfigLoader, jobs: str) -> None:
    with pytest.raises(SystemExit, match=rf"icnet: sweep\.jobs is {jobs}: give the number of jobs side by side"):
        SweepGuard().on_multirun_start(sweep_config(tmp_path, f"sweep.jobs={jobs}"))
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_file_without_m_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="sweep=loss_weights is a sweep, not a single run: start it with -m"):
        SweepGuard().on_run_start(sweep_config(tmp_path, "sweep=loss_weights"))
    SweepGuard().on_run_start(sweep_config(tmp_path, "sweep=loss_weights", "sweep.name=x"))  # a job of it
    SweepGuard().on_run_start(sweep_config(tmp_path))


def test_settings_of_a_sweep_without_m_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"icnet: sweep\.jobs=2 is for a sweep, not for a single run: start it with -m"
    ):
        SweepGuard().on_run_start(sweep_config(tmp_path, "sweep.jobs=2"))
    SweepGuard().on_run_start(sweep_config(tmp_path, "sweep.jobs=2", "sweep.name=x"))  # a job of it


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("name=${nothing}", r"icnet: Interpolation key 'nothing' not found"),
        ("~sweep", r"icnet: Key 'sweep' is not in struct"),
    ],
)
def test_a_sweep_that_omegaconf_refuses_is_one_line(
    tmp_path: Path, loader: ConfigLoader, override: str, said: str
) -> None:
    config = sweep_config(tmp_path, override)
    with open_dict(config):
        config.hydra.sweep.dir = "${name}"
    with pytest.raises(SystemExit, match=said) as caught:
        SweepGuard().on_multirun_start(config)
    assert "\n" not in str(caught.value)


def test_misspelt_settings_of_the_sweep_are_named() -> None:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", ["+sweep.job=2"])
    with pytest.raises(ConfigError, match=r"sweep\.job is not a setting: did you mean jobs\?"):
        check_config(config)


def test_a_sweep_is_called_after_its_folder_or_as_it_was_told(tmp_path: Path) -> None:
    assert sweep_name(sweep_config(tmp_path)) == "s/d"
    assert sweep_name(sweep_config(tmp_path, "sweep.name=mine")) == "mine"


def test_by_default_sweeps_have_a_folder_of_their_own_by_name_and_time() -> None:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", ["experiment=icnet_camvid"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    assert re.fullmatch(r"outputs/sweeps/icnet_camvid/\d{4}-\d\d-\d\d_[\d-]+", config.hydra.sweep.dir)
    assert "processes" in config.hydra.runtime.choices["hydra/launcher"]


def test_the_search_maximizes_miou_in_a_study_beside_the_ledger(tmp_path: Path, loader: ConfigLoader) -> None:
    pytest.importorskip("optuna", reason="the extra optuna is not installed")
    config = sweep_config(tmp_path, "sweep=loss_weights_optuna", "sweep.jobs=2")
    sweeper = config.hydra.sweeper
    assert (sweeper.storage, sweeper.direction, sweeper.n_jobs) == (f"sqlite:///{tmp_path}/s/d/study.db", "maximize", 2)
    config.hydra.overrides.task = ["sweep=loss_weights_optuna"]
    assert expand(config, loader) == [["loss.sub4=0.02", "loss.sub24=0.05", "sweep=loss_weights_optuna"]]
    check_config(config)


def test_a_sweep_on_a_cluster_is_submitted_by_an_existing_launcher(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    config = sweep_config(
        tmp_path, "hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.gpus_per_node=4",
        "hydra.launcher.tasks_per_node=4", "experiment=icnet_cityscapes", "trainer.devices=4",
    )  # fmt: skip
    launcher = config.hydra.launcher
    assert launcher._target_.endswith("submitit_launcher.SlurmLauncher")
    assert (launcher.partition, launcher.tasks_per_node, config.trainer.devices) == ("gpu", 4, 4)
    assert launcher.submitit_folder == f"{tmp_path}/s/d/.submitit/%j"
    check_config(config)


@pytest.mark.parametrize("launcher", ["basic", "submitit_slurm"])
@pytest.mark.parametrize(("given", "group"), [([], "s/d"), (["sweep.name=mine"], "mine")])
def test_other_launchers_tell_their_jobs_the_name_of_the_sweep_too(
    tmp_path: Path, loader: ConfigLoader, launcher: str, given: list[str], group: str
) -> None:
    if launcher == "submitit_slurm":
        pytest.importorskip("submitit", reason="the extra slurm is not installed")
    config = sweep_config(tmp_path, f"hydra/launcher={launcher}", *given)
    config.hydra.overrides.task = ["loss.sub4=0.1,0.2", "logger=wandb", *given]
    SweepGuard().on_multirun_start(config)
    jobs = [loader.load_sweep_config(config, overrides) for overrides in expand(config, loader)]
    assert [job.logger.wandb.group for job in jobs] == [group, group]


def test_the_runs_of_a_sweep_are_one_group_for_wandb() -> None:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", ["logger=[csv,wandb]", "sweep.name=icnet_camvid/2030-01-01"])
    assert config.logger.wandb.group == "icnet_camvid/2030-01-01"
    check_config(config)
