"""Read weights: own checkpoints, and ImageNet backbones in torchvision's and others' key names."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from icnet.errors import WeightsError
from icnet.model.icnet import ICNet

_CLASSIFIERS = ("classifier.", "guide4.", "guide24.")
_HASH = re.compile(r"-([0-9a-f]{8,64})\.")  # torchvision's convention: resnet50-0676ba61.pth


class Checkpoint(NamedTuple):
    """What a checkpoint of this project holds, for whoever uses the network: plain data and its weights."""

    architecture: dict[str, Any]
    classes: dict[str, Any]
    preprocessing: dict[str, Any]
    state: dict[str, Tensor]


class Loaded(NamedTuple):
    """Names of the parameters and buffers that were loaded, and of those that start anew."""

    loaded: frozenset[str]
    fresh: tuple[str, ...]


def load_checkpoint(path: str | Path) -> ICNet:
    """The network of a checkpoint with its weights, in eval mode, on the CPU."""
    checkpoint = read_checkpoint(path)
    try:
        net = ICNet.from_spec(checkpoint.architecture)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; use the icnet that wrote it") from error
    net.load_state_dict(checkpoint.state)
    return net.eval()


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint that training wrote; WeightsError where it is missing, broken or of another program."""
    content = _read(Path(path))
    if "icnet" not in content or "state_dict" not in content:
        raise WeightsError(f"{path} is no checkpoint of icnet: give the best.ckpt or last.ckpt of a training run")
    state = {k.removeprefix("net."): v for k, v in content["state_dict"].items() if k.startswith("net.")}
    about = content["icnet"]
    return Checkpoint(about["architecture"], about["classes"], about["preprocessing"], state)


def load_weights(net: ICNet, path: str | Path) -> Loaded:
    """Start `net` from a checkpoint of the same network, possibly with other classes: then its classifiers start anew."""
    state = read_checkpoint(path).state
    own = net.state_dict()
    anew = [k for k, v in own.items() if k.startswith(_CLASSIFIERS) and k in state and state[k].shape != v.shape]
    state = {k: v for k, v in state.items() if k not in anew}
    _check_fit(own, state, path, allowed=set(anew))
    net.load_state_dict(state, strict=False)
    return Loaded(frozenset(state), tuple(anew))


def load_backbone(net: nn.Module, source: str, prefix: str = "backbone.") -> Loaded:
    """Start the trunk of `net` from ImageNet weights at a path or URL.

    Understood are torchvision's key names, those of checkpoints with the three-convolution stem (stem.N; conv1.N; conv1,
    conv2, conv3) and this project's own pre-training. A file name like resnet50-0676ba61.pth carries the start of its
    SHA-256, which is verified. Every key that does not fit is named.
    """
    path = fetch(source)
    own = {k.removeprefix(prefix): v for k, v in net.state_dict().items() if k.startswith(prefix)}
    state = {k: v for k, v in backbone_state(_read(path)).items() if k.split(".")[0] not in ("fc", "head")}
    _check_fit(own, state, source, allowed={k for k in own if k.endswith("num_batches_tracked")})
    module = net.get_submodule(prefix.rstrip(".")) if prefix else net
    module.load_state_dict(state, strict=False)
    loaded = frozenset(prefix + k for k in state)
    return Loaded(loaded, tuple(k for k, _ in net.named_parameters() if k not in loaded))


def fetch(source: str) -> Path:
    """A local path as it is; a URL downloaded once into torch's cache. The checksum in the name, if any, is verified."""
    if urlparse(source).scheme in ("http", "https"):
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(source).path).name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(source, path)
    else:
        path = Path(source).expanduser()
    verify_checksum(path)
    return path


def verify_checksum(path: Path) -> None:
    """Compare the file with the hexadecimal start of its SHA-256 in its name, where it has one."""
    match = _HASH.search(path.name)
    if match is None or not path.is_file():
        return
    digest = sha256(path)
    if not digest.startswith(match[1]):
        raise WeightsError(
            f"{path} is damaged: its SHA-256 starts with {digest[:8]}, its name says {match[1]}; download it again"
        )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(path)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def backbone_state(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Rename the keys of any known ImageNet checkpoint to those of `Backbone`."""
    for wrapper in ("state_dict", "model"):
        content = content[wrapper] if isinstance(content.get(wrapper), Mapping) else content
    names = {k.removeprefix("module.").removeprefix("net.").removeprefix("backbone."): v for k, v in content.items()}
    bottleneck = any(k.startswith("layer1.0.conv3") for k in names)
    nested_stem = any(k.startswith("conv1.0.") for k in names)
    return {_rename(k, bottleneck, nested_stem): v for k, v in names.items() if isinstance(v, Tensor)}


_LEAF = r"(weight|bias|running_mean|running_var|num_batches_tracked)"


def _rename(key: str, bottleneck: bool, nested_stem: bool) -> str:
    """One key; `nested_stem`: the stem is conv1.0 to conv1.6 followed by bn1."""
    if match := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\." + _LEAF, key):
        stage, block, kind, number, leaf = match.groups()
        name = ("reduce", "conv", "increase")[int(number) - 1] if bottleneck else f"conv{number}"
        return f"conv{int(stage) + 1}.{block}.{name}.{kind}.{leaf}"
    if match := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\." + _LEAF, key):
        stage, block, number, leaf = match.groups()
        return f"conv{int(stage) + 1}.{block}.project.{('conv', 'bn')[int(number)]}.{leaf}"
    if match := re.fullmatch(r"(?:stem|conv1)\.(\d)\." + _LEAF, key):  # convolution, BN, ReLU, convolution, ...
        place, kind = divmod(int(match[1]), 3)
        return f"stem.{place}.{('conv', 'bn', 'relu')[kind]}.{match[2]}"
    if match := re.fullmatch(r"(conv|bn)([123])\." + _LEAF, key):
        place = 2 if nested_stem else int(match[2]) - 1
        return f"stem.{place}.{match[1]}.{match[3]}"
    return key


def _check_fit(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: object, allowed: set[str]) -> None:
    faults = [f"{k} is not in the file" for k in own if k not in state and k not in allowed]
    faults += [f"{k} is not in the network" for k in state if k not in own]
    faults += [
        f"{k} is {list(v.shape)} in the file, {list(own[k].shape)} in the network"
        for k, v in state.items()
        if k in own and own[k].shape != v.shape
    ]
    if faults:
        raise WeightsError(
            f"{source} does not fit the network ({len(faults)} keys): {'; '.join(faults)}. "
            "Choose the backbone that it was made with: torchvision's files need backbone=resnet50_imagenet"
        )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"there is no file {path}: check the path")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"{path} is not a readable file of weights ({type(error).__name__}): copy it again, or save its state_dict"
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a dictionary of weights: save the state_dict")
    return content


def _download(url: str, path: Path) -> None:
    try:
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except (URLError, OSError) as error:
        raise WeightsError(f"{url} cannot be downloaded ({error}): download it by hand and give its path") from error
