"""Any file of weights as names and tensors; whatever else it is, one line says so."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint

from icnet.errors import WeightsError
from icnet.weights.caffemodel import read_caffemodel
from icnet.weights.hub import read_model

# What torch's readers raise on files that are none of theirs, or torn
BROKEN = (
    RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError,
    MemoryError, struct.error, pickle.UnpicklingError,
)  # fmt: skip
_READERS = {".safetensors": read_model, ".caffemodel": read_caffemodel}
_FOREIGN = re.compile(r"Unsupported global: GLOBAL ([\w.]+)")  # as torch says it
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("_orig_mod.", "module.", "model.", "net.")  # of compiled, parallel and wrapped networks


def read_content(path: Path) -> dict[str, Any]:
    """What torch.save wrote: plain data and tensors alone; or the like of it from a file of another format.

    WeightsError where it is none of these.
    """
    if path.is_dir():
        raise WeightsError(f"{path} is a folder: give the file of weights in it")
    if not path.is_file():
        raise WeightsError(f"there is no file {path}: check the path")
    if (read := _READERS.get(path.suffix)) is not None:
        return read(path)
    try:
        with warnings.catch_warnings():  # of the pickle protocol: what is wrong with a file is said once, below
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except BROKEN as error:
        raise WeightsError(f"{path} {_say_fault(path, error)}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a dictionary of weights: save the state_dict")
    return content


def tensors_of(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The state_dict of a file, also inside {"state_dict": ...}, without what wrappers put before all of its names."""
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise WeightsError(f"{path} holds no weights ({', '.join(map(str, list(content)[:5]))}): save the state_dict")
    while prefix := next((p for p in _PREFIXES if all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def unwrap(
    state: Mapping[str, Tensor], is_whole: Callable[[Mapping[str, Tensor]], bool]
) -> tuple[Mapping[str, Tensor], list[str]]:
    """The part of a state_dict that is whole once what a wrapper put before its names is gone, and the names beside it.

    Of a training's loss or teacher, say. All of it where no part is whole.
    """
    start, part = "", state
    while not is_whole(part):
        count, prefix = max((sum(name.startswith(p) for name in part), p) for p in _PREFIXES)
        if count == 0:
            return state, []
        start += prefix
        part = {name.removeprefix(prefix): value for name, value in part.items() if name.startswith(prefix)}
    return part, [name for name in state if not name.startswith(start)]


def _say_fault(path: Path, error: BaseException) -> str:
    if path.stat().st_size == 0:
        return "is empty (0 bytes): copy it again"
    if foreign := _find_foreign(path) or _FOREIGN.findall(str(error)):
        return (
            f"holds {', '.join(sorted(foreign))} beside its weights, which would run foreign code: "
            "save its state_dict alone with torch.save, where it was made"
        )
    return "is no file of weights that torch wrote, or was cut off: check the path, or copy it again"


def _find_foreign(path: Path) -> list[str]:
    """Names of all objects that torch's reader refuses, where a file tells; of old files torch names the first."""
    if not zipfile.is_zipfile(path):
        return []
    try:
        return get_unsafe_globals_in_checkpoint(path)
    except BROKEN:
        return []
