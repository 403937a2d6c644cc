"""Where training starts from: weights of a network like this one, or of its trunk alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from icnet.errors import WeightsError
from icnet.model.icnet import ICNet
from icnet.model.trunk import Trunk, read_spec
from icnet.weights.checkpoint import Source, is_ours, to_source
from icnet.weights.download import is_url, locate
from icnet.weights.read import read_content, tensors_of, unwrap

_CLASSIFIERS = ("classifier.", "guide4.", "guide24.")
_OF_A_CLASSIFIER = ("fc.", "head.")  # what ImageNet files have above the trunk
_TRUNK = "backbone."  # in own pre-training, or in a whole network
_UNNEEDED = "num_batches_tracked"  # of BN: some files lack it, and nothing here reads it
_MOST_NAMED = 5


class Loaded(NamedTuple):
    """Names of the parameters and buffers that were loaded, of those that start anew, and of those left in the file."""

    loaded: frozenset[str] = frozenset()
    fresh: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Weights(NamedTuple):
    """A file of weights: its tensors by their names, and what it says of its network where it is a checkpoint of icnet."""

    path: Path
    state: Mapping[str, Tensor]
    source: Source | None


def read_weights(source: str | Path) -> Weights:
    """The weights at a path or URL, or of the hub. A checksum in a name (resnet50-0676ba61.pth) is verified."""
    path = locate(source)
    try:
        content = read_content(path)
    except WeightsError:
        if is_url(str(source)):
            path.unlink()  # what a server sent in its place is not kept
        raise
    if is_ours(content):
        found = to_source(path, content)
        return Weights(path, found.state, found)
    return Weights(path, tensors_of(content, path), None)


def load_weights(net: ICNet, weights: Weights, class_names: Sequence[str]) -> Loaded:
    """Start `net` from a checkpoint of the same network, or from any state_dict whose names and shapes are its own.

    The classifiers of other classes start anew. class_names: those of `net`; of a plain state_dict the number of classes is
    compared. WeightsError names what does not fit.
    """
    own, source = net.state_dict(), weights.source
    heads = {k for k in own if k.startswith(_CLASSIFIERS)}
    state, left_out = unwrap(weights.state, lambda part: _needed(own) - heads <= part.keys())
    anew = {k for k in heads if k not in state or state[k].shape != own[k].shape}
    if source is not None:
        _compare(source.architecture, net.architecture, weights.path)
        anew = heads if list(source.class_table.names) != list(class_names) else anew
    fitting = {k: v for k, v in state.items() if k in own and k not in anew}
    otherwise = "" if source is None else ", or task.architecture=file"
    _check_fit(own, fitting, weights.path, optional=anew, otherwise=otherwise)
    net.load_state_dict(fitting, strict=False)
    return Loaded(frozenset(fitting), tuple(sorted(anew)), (*left_out, *(k for k in state if k not in own)))


def load_trunk(net: nn.Module, trunk: Trunk, weights: Weights) -> Loaded:
    """Start `trunk`, a part of `net`, from published weights or from own pre-training; what does not fit is named."""
    own = trunk.state_dict()
    state, _ = unwrap(weights.state, lambda part: _has_trunk(part) or _needed(own) <= trunk.translate(part).keys())
    if _has_trunk(state):
        state = {k.removeprefix(_TRUNK): v for k, v in state.items() if k.startswith(_TRUNK)}
    state = {k: v for k, v in trunk.translate(state).items() if not k.startswith(_OF_A_CLASSIFIER)}
    _check_fit(own, state, weights.path)
    trunk.load_state_dict(state, strict=False)
    prefix = next(f"{name}." for name, module in net.named_modules() if module is trunk)
    loaded = frozenset(prefix + k for k in state)
    return Loaded(loaded, tuple(k for k, _ in net.named_parameters() if k not in loaded))


def _needed(own: Mapping[str, Tensor]) -> set[str]:
    return {name for name in own if not name.endswith(_UNNEEDED)}


def _has_trunk(state: Mapping[str, Tensor]) -> bool:
    return any(name.startswith(_TRUNK) for name in state)


def _compare(theirs: Mapping[str, Any], ours: Mapping[str, Any], path: Path) -> None:
    """Networks of equal shapes may still compute something else."""
    trunk = read_spec(theirs["backbone"]).to_dict()
    pairs = [(key, theirs[key], ours[key]) for key in ("align_corners", "fusion")]
    pairs += [(key, value, ours["backbone"].get(key)) for key, value in trunk.items() if key != "stages"]
    differing = [f"{key} is {value} in the file, {own} here" for key, value, own in pairs if value != own]
    if differing:
        raise WeightsError(
            f"{path} is of another network: {'; '.join(differing)}. Choose the same, or task.architecture=file"
        )


def _check_fit(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    path: Path,
    optional: Collection[str] = (),
    otherwise: str = "",
) -> None:
    faults = [f"{k} is not in the file" for k in sorted(_needed(own) - {*state, *optional})]
    faults += [f"{k} is not in the network" for k in state if k not in own]
    faults += [
        f"{k} is {list(v.shape)} in the file, {list(own[k].shape)} in the network"
        for k, v in state.items()
        if k in own and own[k].shape != v.shape
    ]
    if faults:
        more = f" and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
        raise WeightsError(
            f"{path} does not fit the network ({len(faults)} names): {'; '.join(faults[:_MOST_NAMED])}{more}. "
            "Choose the backbone that it was made with (torchvision's files need backbone=resnet50_imagenet; "
            f"model.backbone.weights=list shows all){otherwise}"
        )
