"""Networks in the layout of the Hugging Face hub, model.safetensors beside config.json: in a folder or a repository."""

from __future__ import annotations

import json
import logging
import os
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from icnet.errors import WeightsError

HUB = "hub:"
WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"
_NEEDS = 'pip install -e ".[hub]"'
_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)(?:@(.+))?")


def fetch_repository(name: str, revision: str | None = None) -> Path:
    """The weights of OWNER/NAME, or of OWNER/NAME@REVISION, in the hub's own cache, their description beside them.

    HF_ENDPOINT names another server than huggingface.co.
    """
    if (parts := _REPOSITORY.fullmatch(name)) is None:
        raise WeightsError(
            f"{name} is neither a folder nor a repository of the hub: give OWNER/NAME, or OWNER/NAME@REVISION"
        )
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # else it tells which packages are here
    try:
        import huggingface_hub
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # httpx's, of whichever version it has
    except ModuleNotFoundError as error:
        raise WeightsError(f"{HUB}{name} needs {error.name}, which is not installed: {_NEEDS}") from error
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it warns at each try of a network that is not there
    repository, revision = parts[1], revision or parts[2]
    try:
        description = Path(huggingface_hub.hf_hub_download(repository, DESCRIPTION, revision=revision))
        commit = description.parent.name  # both files of one state, whatever is pushed between
        return Path(huggingface_hub.hf_hub_download(repository, WEIGHTS, revision=commit))
    except (OSError, ValueError, HTTPError) as error:
        fault = textwrap.shorten(str(error.__cause__ or error), 200)
        raise WeightsError(
            f"{HUB}{name} cannot be had from {huggingface_hub.constants.ENDPOINT} ({fault}): check name and network, or "
            f"lay its {WEIGHTS} and {DESCRIPTION} into a folder and give ckpt=FOLDER/{WEIGHTS}"
        ) from error


def write_model(folder: Path, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> Path:
    """Write both files. about: what a checkpoint of icnet says of itself."""
    path = folder / WEIGHTS
    whole = {name: tensor.contiguous() for name, tensor in state.items()}
    _load_library(path).torch.save_file(whole, path, {"format": "pt"})
    path.with_name(DESCRIPTION).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return path


def read_model(path: Path) -> dict[str, Any]:
    """A file of safetensors as torch.load gives a checkpoint: of icnet where the description beside it says so."""
    library = _load_library(path)
    try:
        state: dict[str, Any] = library.torch.load_file(path)
    except (library.SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is no file of safetensors, or was cut off ({error}): copy it again") from error
    description = path.with_name(DESCRIPTION)
    if not description.is_file():
        return state
    try:
        about = json.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{description} cannot be read ({error}): copy it again") from error
    return {"icnet": about, "state_dict": {f"net.{name}": tensor for name, tensor in state.items()}}


def _load_library(path: Path) -> ModuleType:
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        raise WeightsError(f"{path} needs safetensors, which is not installed: {_NEEDS}") from error
    return safetensors
