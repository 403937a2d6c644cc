"""The command line before Hydra reads it: paths as they were typed, what GROUP=null stands for; and what Hydra refused."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser  # private: get_args_parser (hydra 1.3)
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf

from icnet.config import NEEDED
from icnet.data.address import hide_login
from icnet.errors import ConfigError
from icnet.files import conf_folder
from icnet.targets import say_error

# Settings that are paths: Hydra's grammar would stop at brackets, spaces and letters beyond ASCII, or read 2024 as a number
PATHS = (
    "ckpt", "source", "data.root", "data.packed", "data.unlabelled", "data.layout.drawn", "model.backbone.weights",
    "task.weights", "task.resume", "task.teacher", "task.compare", "task.results", "task.predictions", "task.convert",
    "task.apply", "task.corrected", "task.runtime", "hydra.run.dir", "hydra.sweep.dir",
)  # fmt: skip
TEXTS = ("data.holdout",)  # names, of which 0016E5 would be a number
# What null stands for where it is not simply nothing; of ??? Hydra names the choices that there are
_NULL = dict.fromkeys(NEEDED, "???") | {"scheduler": "constant", "sweep": "default", "data/classes": "none"}
_PLAIN = re.compile(r"[\w.+-]*/[\w./+-]*", re.ASCII)  # has a slash: no number, no null
# Quoted already, nothing, or one of Hydra's functions
_KEPT = re.compile(r"""null|\?\?\?|['"].*['"]|\[\]|\[.*['"].*\]|(choice|glob|shuffle|sort|tag)\(.*\)|""")


def read_arguments(arguments: Sequence[str]) -> list[str]:
    """The command line for Hydra. Reading it once more, as a further process of the run does, changes nothing."""
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    multirun = parser.parse_args(arguments).multirun
    return [_read(argument, multirun) for argument in arguments]


def add_folds(arguments: Sequence[str]) -> list[str]:
    """The command line with what task.folds=K stands for: a sweep, whose jobs have a name of it.

    task=evaluate asks for no other task there: the networks that judge are trained first.
    """
    is_job = any(argument.startswith("sweep.name=") for argument in arguments)
    if is_job or not any(argument.startswith("task.folds=") for argument in arguments):
        return list(arguments)
    asked = [argument for argument in arguments if argument not in ("-m", "--multirun", "task=evaluate", "sweep=folds")]
    return ["-m", *asked, "sweep=folds"]


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"{message} (options such as -m stand before all settings, or behind them); see --hydra-help")


def _read(argument: str, multirun: bool) -> str:
    start, equals, value = argument.partition("=")
    if start == "recipe":  # composed into all of the configuration
        return f"recipe@_global_={'[]' if value == 'null' else value}"
    key = start.lstrip("+~")
    if key in ("--config-dir", "-cd", "--config-path", "-cp"):
        return f"{start}{equals}{os.path.expanduser(value)}"
    if key == "source" and "@" in hide_login(value) and "${" not in value:
        os.environ["ICNET_SOURCE"], value = (
            value.strip("'\""),
            "${oc.env:ICNET_SOURCE}",
        )  # Hydra writes down what it reads
    if key in PATHS and equals and not _KEPT.fullmatch(value):
        return f"{start}={_read_path(key, value, multirun)}"
    if key in TEXTS and equals and not _KEPT.fullmatch(value):
        return f"{start}={re.sub(r'[^][,]+', lambda found: _in_quotes(found[0].strip()), value)}"
    if key and (conf_folder() / key).is_dir():
        if start == f"~{key}" and not equals:
            return f"{key}={_NULL.get(key, '[]')}"
        return start + equals + re.sub(r"(?<![^,])null(?![^,])", _NULL.get(key, "[]"), value, flags=re.IGNORECASE)
    return argument


def _read_path(key: str, value: str, multirun: bool) -> str:
    if key == "ckpt" and (items := re.fullmatch(r"\[(.*)\]", value)):
        return f"[{','.join(quote(os.path.expanduser(item.strip())) for item in items[1].split(','))}]"
    if multirun and not key.startswith("hydra.") and "," in re.sub(r"\$\{.*?\}", "", value):
        parts = value.split(",")
        several = ",".join(_in_quotes(os.path.expanduser(part)) for part in parts)
        if all(part.startswith(("/", "~")) for part in parts):
            return several
        raise ConfigError(
            f'{key}={value} may be one path or several: with -m give "{key}={_in_quotes(value)}" or "{key}={several}"'
        )
    return quote(os.path.expanduser(value))


def quote(text: str) -> str:
    """A text as Hydra's grammar reads it."""
    return text if _PLAIN.fullmatch(text) else _in_quotes(text)


def _in_quotes(text: str) -> str:
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def read_value(argument: str) -> Any:
    """What Hydra reads in key=value."""
    (override,) = OverridesParser.create().parse_overrides([argument])
    return override.value()


def explain(error: Exception, arguments: Sequence[str]) -> Iterator[str]:
    """What Hydra, OmegaConf or YAML raised, in one line; then what helps with the settings of the command line."""
    yield say_error(error)
    if isinstance(error, OverrideParseException):
        start, _, value = error.override.partition("=")
        if value and value[0] not in "'\"":
            yield f'in quotes it is a text: "{start}={_in_quotes(value)}"'
    yield from suggest(arguments)


def suggest(arguments: Sequence[str]) -> Iterator[str]:
    """For each `key=value` whose key the configuration lacks: the nearest key it has.

    Groups that are chosen (data=camvid) are composed first, so that their keys count too.
    """
    settings = [a for a in arguments if "=" in a and not a.startswith(("-", "hydra", "+", "~"))]
    groups = [a for a in settings if (conf_folder() / re.split("[@=]", a)[0]).is_dir()]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        try:
            config = compose("config", groups)
        except (HydraException, TypeError, ValueError):
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
