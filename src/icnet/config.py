"""What a configuration may say: the keys that conf/ has, and for every node that builds something, what that takes."""

from __future__ import annotations

import difflib
import inspect
import os
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from icnet.errors import ConfigError, ICNetError
from icnet.files import make_folder
from icnet.processes import is_follower

TASKS = {
    "train": "icnet.tasks.train:train",
    "pretrain": "icnet.tasks.pretrain:pretrain",
    "evaluate": "icnet.tasks.evaluate.evaluate:evaluate",
    "predict": "icnet.tasks.predict.predict:predict",
    "prepare": "icnet.tasks.prepare.prepare:prepare",
    "benchmark": "icnet.tasks.benchmark:benchmark",
}
_TRAINING = ("train", "pretrain")

_HYDRA_KEYS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
_SIMPLE = (int, float, bool, str, list, type(None))

# Folders of conf/ that are composed into other parts, or into all of them
_INTO_OTHERS = ("backbone", "strategy", "experiment", "recipe")
# Keys that the tasks use themselves before a node is built, and values that stand for something computed
_OWN_KEYS = {"model.backbone": {"weights": str | None}}
_OWN_VALUES = {"loss.class_weights": ("median_frequency", "log")}


class Guard(Callback):
    """Hydra's callback that looks at a run before its folder exists: a refused run leaves nothing and touches nothing."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            check_config(config)
            if not config.task.get("resume") and not is_follower():
                make_fresh(Path(config.hydra.run.dir))
        except ICNetError as error:
            raise SystemExit(f"icnet: {error}") from None


def check_config(config: DictConfig) -> None:
    """Name every unknown key and every value of a wrong kind in one ConfigError, with the nearest name that exists."""
    try:
        plain = OmegaConf.to_container(
            OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"]), resolve=False
        )
    except OmegaConfBaseException as error:
        raise ConfigError(_first_line(error)) from error
    root = cast("dict[str, Any]", plain)
    task, data = root["task"]["name"], root["data"]
    if task not in TASKS:
        raise ConfigError(f"task.name is {task!r}: choose a task with task={' or task='.join(TASKS)}")
    if task != "pretrain" and "layout" not in data:
        raise ConfigError(
            f"task={task} reads images with label maps, and data={data.get('name')} has none: choose another data="
        )
    if task == "prepare":
        _leave_classes_open(data)
    faults = [*_check_keys(root, _known(task), ""), *_check_task(root)]
    if faults:
        raise ConfigError("; ".join(faults))


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


def suggest(arguments: Sequence[str], folder: Path) -> Iterator[str]:
    """For each `key=value` whose key the configuration in `folder` lacks: the nearest key it has.

    Groups that are chosen (data=camvid) are composed first, so that their keys count too.
    """
    settings = [a for a in arguments if "=" in a and not a.startswith(("-", "hydra", "+", "~"))]
    groups = [a for a in settings if (folder / a.partition("=")[0]).is_dir()]
    with initialize_config_dir(str(folder), version_base="1.3"):
        try:
            config = compose("config", groups)
        except HydraException:
            return
    known = list(_paths(OmegaConf.to_container(config, resolve=False), ""))
    for key in (a.partition("=")[0] for a in settings if a not in groups):
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
            yield f"{key} is not a setting" + (
                f": did you mean {near[0]}?" if near else "; run with --cfg job to see all of them"
            )


def _paths(node: Any, prefix: str) -> Iterator[str]:
    """a, a.b, a.b.c, ... of nested dicts."""
    for key, value in node.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def _known(task: str) -> dict[str, Any]:
    """The keys at the top of a configuration and, where nothing is built from them, below it, with the values they have at
    first. None: of any kind."""
    conf = conf_folder()
    root: dict[str, Any] = {p.name: None for p in conf.iterdir() if p.is_dir() and p.name not in _INTO_OTHERS}
    files = {"task": f"task/{task}", "model": "model/icnet", "sweep": "sweep/default"}
    return root | _read(conf, "config") | {group: _read(conf, name) for group, name in files.items()}


def _read(conf: Path, name: str) -> dict[str, Any]:
    """A file of conf/ after those of its own folder that it is based on."""
    plain = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(conf / f"{name}.yaml")))
    bases = [d for d in plain.pop("defaults", []) if isinstance(d, str) and d != "_self_"]
    plain.pop("hydra", None)
    return {k: v for base in bases for k, v in _read(conf, f"{Path(name).parent}/{base}").items()} | plain


def _check_keys(node: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[str]:
    """Compare a node with the values that its keys have at first."""
    for key, value in node.items():
        where = f"{path}{key}"
        if key not in known:
            yield _unknown(where, key, list(known))
        elif isinstance(value, Mapping) and isinstance(known[key], Mapping):
            yield from _check_keys(value, known[key], f"{where}.")
        else:
            yield from _check_value(value, _kind(known[key]), where)


def _kind(value: Any) -> Any:
    """Of a value that a key has at first: what others it may have."""
    is_open = value is None or (isinstance(value, str) and ("${" in value or value == "???"))
    return Any if is_open else type(value)


def _check_task(root: Mapping[str, Any]) -> Iterator[str]:
    ckpt = root["ckpt"]
    if root["task"]["name"] in _TRAINING and ckpt is not None:
        yield f"ckpt={ckpt} is for the tasks that use a trained network: training starts from it with task.weights={ckpt}"


def _check_value(value: Any, hint: Any, where: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _check_target(value, where) if "_target_" in value else _check_children(value, where)
    elif value == "???":
        yield f"{where} has no value: give {where}=..."
    elif not _fits(value, hint, where):
        kinds = [_name(o) for o in _options(hint)] + list(_OWN_VALUES.get(where, ()))
        yield f"{where} is {value!r}: expected {' or '.join(kinds)}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _check_value(item, Any, f"{where}[{number}]")


def _check_children(node: Mapping[str, Any], where: str) -> Iterator[str]:
    for key, value in node.items():
        yield from _check_value(value, Any, f"{where}.{key}")


def _check_target(node: Mapping[str, Any], where: str) -> Iterator[str]:
    """Compare the keys of a node with the signature of what its `_target_` names."""
    target = str(node["_target_"])
    try:
        signature, hints = _signature(target)
    except Exception as error:  # whatever importing a user's target raises is named
        yield f"{where}._target_ is {target}, which cannot be loaded ({_first_line(error)})"
        return
    own = _OWN_KEYS.get(where, {})
    known = [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)] + list(own)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for key, value in node.items():
        if key in _HYDRA_KEYS:
            continue
        if key not in known and not takes_any:
            yield _unknown(f"{where}.{key}", key, known)
        else:
            yield from _check_value(value, own.get(key, hints.get(key, Any)), f"{where}.{key}")


def _signature(target: str) -> tuple[inspect.Signature, Mapping[str, Any]]:
    thing = get_object(target)
    function = thing.__init__ if inspect.isclass(thing) else thing
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations for the type checker alone
        hints = {}
    return inspect.signature(thing), hints


def _fits(value: Any, hint: Any, where: str) -> bool:
    """Whether a value is of the annotated kind; what is not a plain kind is left to the constructor."""
    if isinstance(value, str) and "${" in value:
        return True
    if isinstance(value, str) and where in _OWN_VALUES:
        return value in _OWN_VALUES[where]
    return _is_one_of(value, _options(hint))


def _is_one_of(value: Any, options: tuple[Any, ...]) -> bool:
    if any(option not in _SIMPLE for option in options):
        return True
    if isinstance(value, bool):
        return bool in options
    return type(value) in options or (isinstance(value, int) and float in options)


def _options(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the hint itself."""
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if is_union else (hint,)


def _name(option: Any) -> str:
    return "null" if option is type(None) else getattr(option, "__name__", str(option))


def _unknown(where: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"{where} is not a setting: {hint}"


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def conf_folder() -> Path:
    """conf/ of the wheel, or of the checkout."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"
