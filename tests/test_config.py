"""Every misspelt setting is named, with the nearest one, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from icnet.config import check_config, make_fresh
from icnet.errors import ConfigError, ICNetError
from icnet.files import conf_folder

# The recipe of each data set
DATA = {
    "camvid": "camvid", "cityscapes": "cityscapes", "folder": "own", "imagenet": "imagenet", "kitti_road": "kitti_road",
    "list": "own", "streets": "streets",
}  # fmt: skip
EXPERIMENTS = sorted(p.stem for p in (conf_folder() / "experiment").glob("*.yaml"))


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("config", list(overrides), return_hydra_config=True)


def refusal(*overrides: str, **changes: object) -> str:
    config = composed(*overrides)
    OmegaConf.set_struct(config, False)
    for path, value in changes.items():
        OmegaConf.update(config, path.replace("__", "."), value, force_add=True)
    with pytest.raises(ConfigError) as caught:
        check_config(config)
    return str(caught.value)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_is_accepted(experiment: str) -> None:
    check_config(composed(f"experiment={experiment}"))


@pytest.mark.parametrize("group", ["backbone", "loss", "optimizer", "scheduler", "strategy", "callbacks", "logger"])
def test_every_choice_of_a_group_is_accepted(group: str) -> None:
    for path in (conf_folder() / group).glob("*.yaml"):
        check_config(composed(f"{group}={path.stem}"))


def test_several_loggers_stand_side_by_side() -> None:
    assert set(composed("logger=[csv,wandb,tensorboard]").logger) == {"wandb", "tensorboard"}


def test_a_misspelt_section_of_an_experiment_file_is_named_with_the_right_one() -> None:
    assert "optimiser is not a setting: did you mean optimizer?" in refusal(optimiser={"lr": 0.1})


def test_a_misspelt_argument_of_a_partial_target_is_named_with_the_right_one() -> None:
    assert "optimizer.momentun is not a setting: did you mean momentum?" in refusal(
        "optimizer=sgd", optimizer__momentun=0.9
    )


def test_a_misspelt_argument_of_a_nested_target_is_named() -> None:
    assert "data.augment.brigthness is not a setting: did you mean brightness?" in refusal(data__augment__brigthness=1)


def test_a_misspelt_setting_of_a_task_is_named() -> None:
    assert "task.weigths is not a setting: did you mean weights?" in refusal(task__weigths="x.ckpt")


def test_all_faults_are_named_at_once() -> None:
    message = refusal(trainer__max_stesp=3, loss__sub8=1.0, seed="abc")
    assert all(part in message for part in ("did you mean max_steps?", "loss.sub8", "seed is 'abc': expected int"))


def test_a_value_of_the_wrong_kind_is_named_with_the_right_kind() -> None:
    assert "data.batch_size is 'many': expected int" in refusal("data.batch_size=many")
    assert "data.batch_size is 2.5: expected int" in refusal("data.batch_size=2.5")
    assert "model.compile is 7: expected bool" in refusal("model.compile=7")


def test_a_whole_number_serves_as_a_float() -> None:
    check_config(composed("optimizer.lr=1", "loss.sub4=0"))


def test_the_two_computed_class_weights_are_accepted_and_others_named() -> None:
    check_config(composed("loss.class_weights=median_frequency"))
    check_config(composed("loss.class_weights=log"))
    assert "median_frequency or log" in refusal("loss.class_weights=median")


def test_a_missing_value_is_named() -> None:
    assert "data.classes.names has no value" in refusal("data=folder")


def test_weights_of_a_backbone_are_a_setting_though_the_spec_has_none() -> None:
    check_config(composed("model.backbone.weights=resnet50.pth"))


def test_a_target_that_does_not_exist_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    assert "icnet.objectives.cascade.NoLoss" in refusal("loss._target_=icnet.objectives.cascade.NoLoss")
    assert "x.y, which cannot be loaded" in refusal("loss._target_=x.y")
    assert not caplog.records


def test_a_folder_with_an_earlier_run_is_refused_and_an_empty_one_is_fine(tmp_path: Path) -> None:
    make_fresh(tmp_path)
    make_fresh(tmp_path / "new")
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ConfigError, match="is not empty"):
        make_fresh(tmp_path)


@pytest.mark.parametrize("task", ["train", "prepare", "benchmark", "evaluate"])
def test_data_without_label_maps_are_refused_by_that(task: str) -> None:
    assert f"task={task} reads images with label maps, and data=imagenet has none" in refusal(
        f"task={task}", "data=imagenet"
    )


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ICNetError, match=r"file/run cannot be written \(Not a directory\)"):
        make_fresh(tmp_path / "file" / "run")


def test_the_command_line_wins_over_an_experiment() -> None:
    assert composed("experiment=icnet_cityscapes", "optimizer.lr=0.5").optimizer.lr == 0.5


@pytest.mark.parametrize("data", sorted(DATA))
def test_every_data_set_brings_its_own_recipe_and_no_other_ones(data: str) -> None:
    """What a choice of data leaves is what its recipe file says, not what the default data set was made with."""
    config, recipe = composed(f"data={data}"), OmegaConf.load(conf_folder() / "recipe" / f"{DATA[data]}.yaml")
    for key, value in recipe.trainer.items():
        assert config.trainer[key] == value, key
    own = OmegaConf.load(conf_folder() / "data" / f"{data}.yaml").get("augment", {}).get("scale", [0.5, 2.0])
    assert config.data.get("augment", {"scale": own})["scale"] == own


@pytest.mark.parametrize("data", sorted(DATA))
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("extra", [(), ("experiment=icnet_cityscapes",)])
def test_an_optimizer_brings_its_own_rate_whatever_the_data(data: str, optimizer: str, extra: tuple[str, ...]) -> None:
    task = "pretrain" if data == "imagenet" else "train"
    config = composed(f"task={task}", f"data={data}", f"optimizer={optimizer}", *extra)
    assert config.optimizer == OmegaConf.load(conf_folder() / "optimizer" / f"{optimizer}.yaml")
    if data != "folder":  # which has no classes yet
        check_config(config)


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_what_suits_data_and_trunk_together_is_composed_by_choosing_them(variant: int) -> None:
    few = composed("experiment=icnet_camvid", f"backbone=efficientnet_lite{variant}")
    light = few.data.augment
    assert (light.brightness, light.contrast, light.saturation, light.hue, light.jitter) == (0.5, 0.5, 0.25, 0.02, 0.5)
    assert few.trainer.max_steps * few.data.batch_size == 10_400  # all else is the data's recipe
    assert composed("experiment=icnet_camvid").data.augment.brightness == 0
    assert "pair follows from data= and backbone=" in refusal("pair=camvid")


def test_frames_of_ones_own_train_by_a_recipe_for_few_frames() -> None:
    config = composed("data=folder", "data/classes=camvid")
    assert (config.trainer.max_steps, config.optimizer.lr, config.callbacks.ema.decay) == (4000, 1e-3, 0.999)
    assert config.optimizer._target_.endswith("adamw")


def test_cityscapes_has_the_published_recipe() -> None:
    config = composed("experiment=icnet_cityscapes")
    recipe = (config.data.batch_size, config.trainer.devices, config.optimizer.lr, config.trainer.max_epochs)
    assert recipe == (4, 8, 0.02, 160)
    assert list(config.data.crop_size) == [960, 960]
    assert list(config.data.augment.scale) == [0.5, 2.0]
    assert (config.optimizer.momentum, config.optimizer.weight_decay, config.scheduler.power) == (0.9, 1e-4, 0.9)


def test_every_file_of_the_configuration_says_which_command_uses_it() -> None:
    for path in conf_folder().rglob("*.yaml"):
        lines = path.read_text().splitlines()
        comment = lines[1] if lines[0].startswith("# @package") else lines[0]
        assert comment.startswith("# "), path


def test_a_checkpoint_given_to_training_is_pointed_to_its_place() -> None:
    with pytest.raises(ConfigError, match=r"task\.weights=best"):
        check_config(composed("ckpt=best.ckpt"))


def test_a_task_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ConfigError, match="'trian': choose a task with task=train"):
        check_config(composed("task.name=trian"))


@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("train", "data.split=test"),
        ("train", "source=a.png"),
        ("evaluate", "optimizer.lr=1"),
        ("evaluate", "callbacks=ema"),
        ("evaluate", "trainer.max_steps=3"),
        ("evaluate", "data.train_share=0.5"),
        ("predict", "loss=cascade_ohem"),
        ("predict", "logger=wandb"),
        ("prepare", "ckpt=a.ckpt"),
        ("pretrain", "optimizer.new_layers_multiple=10"),
    ],
)
def test_a_setting_of_the_command_line_without_effect_in_the_task_is_refused(task: str, given: str) -> None:
    key = given.partition("=")[0].lstrip("+")
    data = ["data=imagenet"] if task == "pretrain" else []
    assert refusal(f"task={task}", *data, given) == f"{key}: without effect in task={task}; leave out"


@pytest.mark.parametrize(
    ("what", "given"),
    [
        ("data", "model.compile=true"),
        ("data", "ckpt=a.ckpt"),
        ("speed", "++source=a.png"),
        ("speed", "backbone=resnet18"),
        ("frontier", "optimizer.lr=1"),
        ("training", "ckpt=a.ckpt"),
        ("training", "trainer.max_steps=3"),
    ],
)
def test_each_benchmark_refuses_what_it_has_no_use_for(what: str, given: str) -> None:
    key = given.partition("=")[0].lstrip("+")
    said = f"{key}: without effect in task=benchmark task.what={what}; leave out"
    assert refusal("task=benchmark", f"task.what={what}", given) == said


def test_a_benchmark_takes_a_list_of_checkpoints() -> None:
    check_config(composed("task=benchmark", "task.what=speed", "ckpt=[a.ckpt,b.onnx]"))


def test_the_benchmark_of_training_obeys_what_is_said_of_the_training() -> None:
    what = ("backbone=resnet18", "loss=cascade_ohem", "optimizer.lr=1", "trainer.devices=8")
    check_config(composed("task=benchmark", "task.what=training", *what))


def test_what_has_no_meaning_in_pretraining_is_refused() -> None:
    base = ("experiment=pretrain_imagenet", "backbone=resnet18")  # which sets model.fusion_channels
    check_config(composed(*base, "model.backbone.weights=x.pth", "model.compile=true"))
    settings = ("model.align_corners=true", "model.fusion=bilinear", "model.fusion_channels=64", "loss.sub4=1")
    keys = "model.align_corners, model.fusion, model.fusion_channels, loss.sub4"
    assert refusal(*base, *settings) == f"{keys}: without effect in task=pretrain; leave out"


def test_what_is_said_of_the_training_goes_into_the_command_that_prepare_proposes() -> None:
    check_config(composed("task=prepare", "data=camvid", "optimizer=sgd", "logger=wandb"))


@pytest.mark.parametrize("task", ["evaluate", "predict", "benchmark"])
def test_an_experiment_may_bring_settings_that_the_task_has_no_use_for(task: str) -> None:
    check_config(composed("experiment=icnet_cityscapes", f"task={task}"))


def test_settings_that_another_one_overrules_are_refused() -> None:
    assert "without effect while trainer.val_check_interval=400" in refusal("trainer.check_val_every_n_epoch=2")
    check_config(composed("trainer.check_val_every_n_epoch=2", "trainer.val_check_interval=null"))
    check_config(composed("trainer.check_val_every_n_epoch=2", "trainer.val_check_interval=0.5"))
    assert "leave model.backbone.weights out" in refusal("task.weights=a.ckpt", "model.backbone.weights=b.pth")


@pytest.mark.parametrize(
    "key",
    [
        "callbacks", "logger", "plugins", "default_root_dir", "use_distributed_sampler", "enable_checkpointing",
        "limit_test_batches", "fast_dev_run", "overfit_batches",
    ],
)  # fmt: skip
@pytest.mark.parametrize("task", ["train", "evaluate"])
def test_what_the_tasks_hand_to_the_trainer_is_refused_wherever_it_is_said(key: str, task: str) -> None:
    assert f"trainer.{key} is set by the task" in refusal(f"task={task}", f"+trainer.{key}=false")
    assert f"trainer.{key} is set by the task" in refusal(f"task={task}", **{f"trainer__{key}": None})


@pytest.mark.parametrize("key", ["sync_batchnorm", "enable_model_summary", "enable_progress_bar"])
def test_what_the_trainer_may_be_told_is_accepted(key: str) -> None:
    check_config(composed(f"+trainer.{key}=false"))


@pytest.mark.parametrize(
    "group", ["model", "trainer", "data", "loss", "optimizer", "scheduler", "sweep", "task", "module"]
)
@pytest.mark.parametrize("value", [None, 5, "???"])
def test_a_part_that_a_file_left_out_names_the_choices(group: str, value: object) -> None:
    choices = sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))
    assert refusal(**{group: value}) == f"{group} has no choice: give {group}={f' or {group}='.join(choices)}"


def test_a_network_without_a_backbone_names_the_choices() -> None:
    assert refusal(model__backbone=None).startswith(
        "model.backbone has no choice: give backbone=efficientnet_lite0 or backbone="
    )


def test_several_checkpoints_where_one_is_taken_are_named() -> None:
    assert refusal("task=evaluate", "ckpt=[a,b]") == "ckpt is a list of 2: task=evaluate takes one checkpoint"
