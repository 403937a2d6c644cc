"""What a configuration may say: the keys that conf/ has, and of those what the task makes use of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from icnet.errors import ConfigError, ICNetError
from icnet.files import conf_folder, make_folder
from icnet.processes import is_follower
from icnet.targets import check_value, say_error, say_unknown

TASKS = {
    "train": "icnet.tasks.train:train",
    "pretrain": "icnet.tasks.pretrain:pretrain",
    "evaluate": "icnet.tasks.evaluate.evaluate:evaluate",
    "predict": "icnet.tasks.predict.predict:predict",
    "prepare": "icnet.tasks.prepare.prepare:prepare",
    "benchmark": "icnet.tasks.benchmark.benchmark:benchmark",
    "export": "icnet.tasks.export.export:export",
    "compress": "icnet.tasks.compress.compress:compress",
}
_TRAINING = ("train", "pretrain")
# The groups without which there is no configuration
NEEDED = ("task", "model", "backbone", "module", "trainer", "data", "loss", "optimizer", "scheduler", "sweep")

# What a task makes no use of: refused where the command line says it; experiments and recipes may bring it along.
# prepare hands what is said of the training on, in the command that it proposes
_OF_A_FIT = (
    "loss", "optimizer", "scheduler", "module", "callbacks", "trainer.max_steps", "trainer.max_epochs",
    "trainer.limit_train_batches", "trainer.limit_val_batches", "data.train_share", "data.unlabelled",
    "data.unlabelled_share", "data.sampler", "data.table",
)  # fmt: skip
_OF_A_FILE = ("data.bit_depth",)  # what a checkpoint says itself
_OF_A_CASCADE = ("model.align_corners", "model.fusion", "model.fusion_channels")
_UNUSED = {
    "train": ("source", "data.split"),
    "pretrain": ("source", "loss", *_OF_A_CASCADE, "optimizer.new_layers_multiple"),
    "evaluate": ("source", *_OF_A_FILE, *_OF_A_FIT),
    "predict": ("logger", "data.split", *_OF_A_FILE, *_OF_A_FIT),
    "prepare": ("source", "ckpt"),
    "export": ("source", "logger", *_OF_A_FILE, *_OF_A_FIT),
    "benchmark": ("source", "logger"),
    "compress": ("source", "data.split", "optimizer.new_layers_multiple", *_OF_A_FILE),
}
# Of task=benchmark, by task.what
_OF_AN_ENGINE = ("model", "backbone", *_OF_A_FIT)
_OF_A_STEP = ("ckpt", "data.split", "callbacks", *(key for key in _OF_A_FIT if key.startswith("trainer.")))
_UNUSED_BY = {
    "speed": _OF_AN_ENGINE,
    "frontier": _OF_AN_ENGINE,
    "training": _OF_A_STEP,
    "step": _OF_A_STEP,
    "data": ("ckpt", *_OF_AN_ENGINE),
}
# What the tasks hand to Lightning's Trainer themselves, and what would leave results of a part of the data
_SET = (
    "callbacks", "logger", "plugins", "default_root_dir", "use_distributed_sampler", "enable_checkpointing",
    "fast_dev_run", "overfit_batches", "limit_test_batches", "limit_predict_batches", "barebones",
)  # fmt: skip

# Folders of conf/ that are composed into other parts, or into all of them
_INTO_OTHERS = ("backbone", "strategy", "experiment", "recipe", "pair")


class Guard(Callback):
    """Hydra's callback that looks at a run before its folder exists: a refused run leaves nothing and touches nothing."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            check_config(config)
            if not config.task.get("resume") and not is_follower():
                make_fresh(Path(config.hydra.run.dir))
        except (ICNetError, OmegaConfBaseException) as error:
            raise SystemExit(f"icnet: {say_error(error)}") from None


def check_config(config: DictConfig) -> None:
    """Name every unknown key and every value of a wrong kind in one ConfigError, with the nearest name that exists."""
    root = cast("dict[str, Any]", OmegaConf.to_container(config))
    root.pop("hydra", None)
    for group in NEEDED:
        path = "model.backbone" if group == "backbone" else group
        if not OmegaConf.is_dict(OmegaConf.select(config, path)):
            choices = sorted(p.stem for p in (conf_folder() / group).glob("*.yaml"))
            raise ConfigError(f"{path} has no choice: give {group}={f' or {group}='.join(choices)}")
    task, data = root["task"].get("name"), root["data"]
    if task not in TASKS:
        raise ConfigError(f"task.name is {task!r}: choose a task with task={' or task='.join(TASKS)}")
    if task != "pretrain" and "layout" not in data:
        raise ConfigError(
            f"task={task} reads images with label maps, and data={data.get('name')} has none: choose another data="
        )
    if data.get("layout", {}).get("_target_") == "???":
        if task != "prepare":
            raise ConfigError(
                f"data={data.get('name')} does not say where the frames lie: task=prepare data=auto data.root=DIR "
                "task.save_as=NAME finds out, then choose data=NAME"
            )
        del data["layout"]
    if data.get("values") is not None:
        data["classes"] = classes_of(data)
    if task == "prepare":
        _leave_classes_open(data)
    given = [str(o).partition("=")[0].lstrip("+~") for o in OmegaConf.select(config, "hydra.overrides.task") or ()]
    faults = [*_check_keys(root, _known(task), ""), *_check_task(root), *_check_given(root, given)]
    if faults:
        raise ConfigError("; ".join(faults))


def settle_values(config: DictConfig) -> None:
    """Let the classes be what data.values says, also where nothing else says any."""
    if config.data.get("values") is not None:
        with open_dict(config):
            config.data.classes = classes_of(config.data)


def classes_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The node of the classes for data.values; of what stood there the form of the label files is kept."""
    form = (data.get("classes") or {}).get("form")
    return {"_target_": "icnet.data.named_values.read_values", "values": data["values"], "form": form}


def _leave_classes_open(data: dict[str, Any]) -> None:
    """task=prepare proposes the classes that nobody has named yet."""
    if isinstance(classes := data.get("classes"), dict):
        data["classes"] = {key: value for key, value in classes.items() if value != "???"}


def make_fresh(folder: Path) -> None:
    """Refuse a folder that holds an earlier run, or anything but what other processes of this run may have begun.

    Made here, where one that cannot be made is one line; Hydra would make it next.
    """
    begun = {".hydra", "run.log"} if "RANK" in os.environ else set()
    if folder.is_dir() and any(p.name not in begun for p in folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty and may hold an earlier run: choose another hydra.run.dir, or move it away"
        )
    make_folder(folder)


def read_saved(path: Path) -> DictConfig:
    """The configuration that an earlier run left, checked like any other; what its icnet did not know yet is as in conf/."""
    try:
        saved = cast("DictConfig", OmegaConf.load(path))
        if (task := OmegaConf.select(saved, "task.name")) in TASKS:
            today = _at_first(task) | {"trainer": _read(conf_folder(), "trainer/default")}
            saved = cast("DictConfig", OmegaConf.merge(today, saved))
        check_config(saved)
    except (ICNetError, OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(f"{path}: {say_error(error)}") from error
    return saved


def _known(task: str) -> dict[str, Any]:
    """The keys at the top of a configuration and, where nothing is built from them, below it, with the values they have at
    first. None: of any kind."""
    groups = [p.name for p in conf_folder().iterdir() if p.is_dir() and p.name not in _INTO_OTHERS]
    return dict.fromkeys(groups) | _at_first(task)


def _at_first(task: str) -> dict[str, Any]:
    """What conf/ says of the settings that the tasks read themselves."""
    conf, files = conf_folder(), {"task": f"task/{task}", "model": "model/icnet", "sweep": "sweep/default"}
    return _read(conf, "config") | {group: _read(conf, name) for group, name in files.items()}


def _read(conf: Path, name: str) -> dict[str, Any]:
    """A file of conf/ after those of its own folder that it is based on."""
    choice = read_choice(conf, name)
    del choice["defaults"]
    choice.pop("hydra", None)
    return choice


def read_choice(conf: Path, name: str) -> dict[str, Any]:
    """A file of a folder of choices, or of conf/, after those of its own folder that it is based on.

    defaults: the choices of other groups, by group.
    """
    place = conf if (conf / f"{name}.yaml").is_file() else conf_folder()
    plain = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(place / f"{name}.yaml")))
    listed = plain.pop("defaults", [])
    bases = [read_choice(conf, f"{Path(name).parent}/{d}") for d in listed if isinstance(d, str) and d != "_self_"]
    groups = {group: choice for part in [*(b.pop("defaults") for b in bases), *(d for d in listed if isinstance(d, dict))]
              for group, choice in part.items()}  # fmt: skip
    return {k: v for base in bases for k, v in base.items()} | plain | {"defaults": groups}


def _check_keys(node: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[str]:
    """Compare a node with the values that its keys have at first."""
    for key, value in node.items():
        where = f"{path}{key}"
        if key not in known:
            yield say_unknown(where, key, list(known))
        elif isinstance(value, Mapping) and isinstance(known[key], Mapping):
            yield from _check_keys(value, known[key], f"{where}.")
        else:
            yield from check_value(value, _kind(known[key]), where)


def _kind(value: Any) -> Any:
    """Of a value that a key has at first: what others it may have."""
    is_open = value is None or (isinstance(value, str) and ("${" in value or value == "???"))
    return Any if is_open else type(value)


def _check_task(root: Mapping[str, Any]) -> Iterator[str]:
    ckpt = root.get("ckpt")
    if root["task"]["name"] in _TRAINING and ckpt is not None:
        yield f"ckpt={ckpt} is for the tasks that use a trained network: training starts from it with task.weights={ckpt}"
    if isinstance(ckpt, list) and root["task"]["name"] != "benchmark":
        yield f"ckpt is a list of {len(ckpt)}: task={root['task']['name']} takes one checkpoint"
    folds = root["task"].get("folds")
    if folds is not None and not (type(folds) is int and folds > 1):
        yield f"task.folds is {folds!r}: give a number of 2 or more"
    for key in (key for key in _SET if key in root["trainer"]):
        yield (
            f"trainer.{key} is set by the task: leave it out (callbacks=, logger= and hydra.run.dir= choose theirs, "
            "trainer.max_steps=10 makes a short run)"
        )


def _check_given(root: Mapping[str, Any], given: Sequence[str]) -> Iterator[str]:
    """given: the keys of the command line."""
    task, every = root["task"]["name"], root["trainer"].get("val_check_interval")
    what = str(root["task"].get("what", ""))
    parts = (*_UNUSED[task], *_UNUSED_BY.get(what, ()))
    unused = [k for k in given if any(k == part or k.startswith(f"{part}.") for part in parts)]
    if unused:
        measured = f" task.what={what}" if what else ""
        yield f"{', '.join(unused)}: without effect in task={task}{measured}; leave out"
    if (
        root["trainer"].get("check_val_every_n_epoch")
        and "trainer.check_val_every_n_epoch" in given
        and type(every) is int
    ):
        yield f"trainer.check_val_every_n_epoch: without effect while trainer.val_check_interval={every}; set that to null"
    if "pair" in given:
        yield "pair follows from data= and backbone=: leave it out, and set what it sets (conf/pair) by its own name"
    idle = [key for key in ("data.unlabelled_share", "task.confidence") if key in given]
    if idle and not root["data"].get("unlabelled"):
        yield f"{', '.join(idle)}: of frames without labels, and there are none; add data.unlabelled=DIR or leave out"
    if {"task.weights", "model.backbone.weights"} <= set(given):
        yield "task.weights brings the backbone, too: leave model.backbone.weights out"
