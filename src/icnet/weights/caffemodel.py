"""The authors' trained files (icnet_cityscapes_*_bnnomerge.caffemodel) as checkpoints, read without Caffe.

A .caffemodel is a NetParameter of Caffe's caffe.proto; the numbers of fields below are from there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from icnet.errors import WeightsError
from icnet.files import conf_folder
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import resnet50
from icnet.weights.wire import read_fields, read_packed

log = logging.getLogger(__name__)

_MEAN, _SCALE = (123.68, 116.779, 103.939), 255.0  # of red, green, blue: evaluation/eval_all.m; no division follows
_FRAME = [1025, 2049]
_LAYERS = {100: (1, 7), 2: (4, 6)}  # LayerParameter, V1LayerParameter: the fields of name and blobs
_SHAPE, _DATA, _DIM = 7, 5, 1
_OLD_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
_BN = ("weight", "bias", "running_mean", "running_var")  # scale, shift, mean, variance of their layer "BN"
_SEE_RED_LAST = ("conv1_1_3x3_s2", "conv1_sub1")
_MOST_NAMED = 5

# Where their convolutions are here, beside those of residual blocks; the last three have a bias and no batch norm
_CONVOLUTIONS = {
    "conv1_1_3x3_s2": "backbone.stem.0", "conv1_2_3x3": "backbone.stem.1", "conv1_3_3x3": "backbone.stem.2",
    "conv5_4_k1": "ppm.project", "conv_sub4": "cff24.project_coarse", "conv3_1_sub2_proj": "cff24.project_fine",
    "conv_sub2": "cff124.project_coarse", "conv3_sub1_proj": "cff124.project_fine",
    "conv1_sub1": "branch.0", "conv2_sub1": "branch.1", "conv3_sub1": "branch.2",
}  # fmt: skip
_HEADS = {"conv6_cls": "classifier", "conv6_sub4": "guide4", "conv6_sub2": "guide24"}
_GUIDES = ("conv6_sub4", "conv6_sub2")  # of the training alone
_KINDS = {"reduce": "1x1_reduce", "conv": "3x3", "increase": "1x1_increase", "project": "1x1_proj"}  # of a block's


def read_caffemodel(path: Path) -> dict[str, Any]:
    """The authors' network as a checkpoint of icnet. What the file has beside it is named in the log.

    WeightsError where the file is torn, of another network, or has its batch norms merged.
    """
    try:
        layers = list(_read_layers(memoryview(path.read_bytes())))
        if not layers:
            raise ValueError("no layer has blobs")
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no .caffemodel, or was cut off ({error}): copy it again") from error
    with torch.device("meta"):
        net = ICNet(resnet50(width=0.5), num_classes=19, align_corners=True)
    state = _assign(layers, net.state_dict(), path)
    log.info("%s is the authors' network: its geometry is exact at sizes of 32k + 1 (task.size=%s)", path, _FRAME)
    about = {
        "architecture": net.architecture,
        "classes": _read_classes(),
        "preprocessing": {"mean": [value / _SCALE for value in _MEAN], "std": [1 / _SCALE] * 3},
        "frame_size": _FRAME,
    }
    return {"icnet": about, "state_dict": {f"net.{name}": tensor for name, tensor in state.items()}}


def _assign(layers: Sequence[tuple[str, list[Tensor]]], own: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Every blob at its place under the name that it has here."""
    places, found = _places(own), dict(layers)
    if len(found.get("conv1_1_3x3_s2", ())) == 2 and "conv1_1_3x3_s2/bn" not in found:
        raise WeightsError(
            f"{path} has its batch norms merged into its convolutions: give the authors' file whose name ends in bnnomerge"
        )
    faults = [f"{name} comes twice" for name in found if sum(name == each for each, _ in layers) > 1]
    faults += [f"{name} is missing" for name in places if name not in found and name not in _GUIDES]
    faults += [fault for name in places if name in found for fault in _compare(name, found[name], places[name], own)]
    if faults:
        more = f" and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
        raise WeightsError(
            f"{path} is not the authors' ICNet ({len(faults)} faults): {'; '.join(faults[:_MOST_NAMED])}{more}. Give their "
            "icnet_cityscapes_*_bnnomerge.caffemodel"
        )
    if unused := [name for name in found if name not in places]:
        log.warning("%s has layers that the network does without: %s", path, ", ".join(unused))
    state = {name: torch.zeros(own[name].shape, dtype=own[name].dtype) for name in own if name.endswith("_tracked")}
    for layer in places:
        for name, blob in zip(places[layer], found.get(layer, ()), strict=layer in found):
            state[name] = (blob.flip(1) if layer in _SEE_RED_LAST else blob).reshape(own[name].shape)
    return state


def _places(own: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """By their layers' names the names here of what their blobs are, in order."""
    convolutions = dict(_CONVOLUTIONS)
    for name in own:
        if match := re.fullmatch(r"(backbone\.conv(\d)\.(\d+)\.(\w+))\.conv\.weight", name):
            convolutions[f"conv{match[2]}_{int(match[3]) + 1}_{_KINDS[match[4]]}"] = match[1]
    places = {layer: [f"{place}.weight", f"{place}.bias"] for layer, place in _HEADS.items()}
    for layer, place in convolutions.items():
        places[layer] = [f"{place}.conv.weight"]
        places[f"{layer}/bn"] = [f"{place}.bn.{leaf}" for leaf in _BN]
    return places


def _compare(layer: str, blobs: Sequence[Tensor], names: Sequence[str], own: Mapping[str, Tensor]) -> Iterator[str]:
    """How the blobs of a layer differ; theirs have further dimensions of 1."""
    if len(blobs) != len(names):
        yield f"{layer} has {len(blobs)} blobs, not {len(names)}"
        return
    for name, blob in zip(names, blobs, strict=True):
        if [n for n in blob.shape if n > 1] != [n for n in own[name].shape if n > 1]:
            yield f"{layer} has a blob of {list(blob.shape)}, not {list(own[name].shape)}"


def _read_classes() -> dict[str, Any]:
    """Cityscapes' nineteen, whose train ids are theirs, too."""
    text = (conf_folder() / "data" / "classes" / "cityscapes.yaml").read_text(encoding="utf-8")
    return {key: value for key, value in yaml.safe_load(text).items() if key != "_target_"}


def _read_layers(net: memoryview) -> Iterator[tuple[str, list[Tensor]]]:
    """Name and blobs of each layer that has blobs. ValueError or IndexError where a message ends too early."""
    for number, layer in read_fields(net):
        if number in _LAYERS and isinstance(layer, memoryview):
            of_name, of_blobs = _LAYERS[number]
            parts = list(read_fields(layer))
            blobs = [_read_blob(part) for field, part in parts if field == of_blobs and isinstance(part, memoryview)]
            if blobs:
                named = (bytes(part) for field, part in parts if field == of_name and isinstance(part, memoryview))
                yield next(named, b"").decode(), blobs


def _read_blob(blob: memoryview) -> Tensor:
    fields = dict(read_fields(blob))
    shape, data = fields.get(_SHAPE), fields.get(_DATA)
    if isinstance(shape, memoryview):
        packed = dict(read_fields(shape)).get(_DIM)
        sizes = read_packed(packed) if isinstance(packed, memoryview) else []
    else:
        sizes = [size for key in _OLD_SHAPE if isinstance(size := fields.get(key), int)]
    if not isinstance(data, memoryview):
        raise ValueError("a blob without numbers")
    return torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32)).reshape(sizes)
