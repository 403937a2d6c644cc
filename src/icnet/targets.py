"""The settings of a node that builds something, compared with what its `_target_` takes; and how faults are put in words."""

from __future__ import annotations

import difflib
import inspect
import logging
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.errors import HydraException
from hydra.utils import get_object
from yaml import MarkedYAMLError

_HYDRA_KEYS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
_SIMPLE = (int, float, bool, str, list, type(None))
# Keys that the tasks use themselves before a node is built, and values that stand for something computed
_OWN_KEYS = {"model.backbone": {"weights": str | None}}
_OWN_VALUES = {"loss.class_weights": ("median_frequency", "log")}
_NOISE = re.compile(r"(object_type=|reference_type=|See https:|, set env var).*")


def check_value(value: Any, hint: Any, where: str) -> Iterator[str]:
    """The faults of the value at `where`, and of all below it; hint: its kind, if it builds nothing."""
    if isinstance(value, Mapping):
        yield from _check_target(value, where) if "_target_" in value else _check_children(value, where)
    elif value == "???":
        yield f"{where} has no value: give {where}=..."
    elif not _fits(value, hint, where):
        kinds = [_name(o) for o in _options(hint)] + list(_OWN_VALUES.get(where, ()))
        yield f"{where} is {value!r}: expected {' or '.join(kinds)}"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from check_value(item, Any, f"{where}[{number}]")


def _check_children(node: Mapping[str, Any], where: str) -> Iterator[str]:
    for key, value in node.items():
        yield from check_value(value, Any, f"{where}.{key}")


def _check_target(node: Mapping[str, Any], where: str) -> Iterator[str]:
    """Compare the keys of a node with the signature of what its `_target_` names."""
    target = str(node["_target_"])
    try:
        signature, hints = _signature(target)
    except Exception as error:  # whatever importing a user's target raises is named
        yield f"{where}._target_ is {target}, which cannot be loaded ({say_error(error)})"
        return
    own = _OWN_KEYS.get(where, {})
    known = _names(signature) + list(own)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for key, value in node.items():
        if key in _HYDRA_KEYS:
            continue
        if key not in known and not takes_any:
            yield say_unknown(f"{where}.{key}", key, known)
        else:
            yield from check_value(value, own.get(key, hints.get(key, Any)), f"{where}.{key}")


def arguments_of(target: str) -> list[str]:
    """The names of the arguments that a `_target_` takes."""
    return _names(_signature(target)[0])


def _names(signature: inspect.Signature) -> list[str]:
    return [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _signature(target: str) -> tuple[inspect.Signature, Mapping[str, Any]]:
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # what it says of a fault is said once, by the caller
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


def say_unknown(where: str, key: str, known: list[str]) -> str:
    """That there is no such key, and the nearest there is."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"{where} is not a setting: {hint}"


def say_error(error: BaseException) -> str:
    """What Hydra, OmegaConf or YAML say, in one line, without what only their authors need."""
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark or error.context_mark):
        return f"{mark.name}, line {mark.line + 1}: {error.problem or error.context}: mend the file"
    lines = str(error).partition("\nConfig search path:")[0].splitlines()
    if isinstance(error, HydraException) and str(error.__cause__ or "") not in str(error):
        lines += [line for line in str(error.__cause__).splitlines() if "full_key:" not in line]
    lines = [_NOISE.sub("", line).strip() for line in lines]
    return " ".join(filter(None, lines)) or type(error).__name__
