"""Write a traced program as OpenVINO's pair of files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import openvino
from torch.export import ExportedProgram

from icnet.deploy import onnx
from icnet.deploy.quantise import Node, name_layer
from icnet.engines.exported import Run
from icnet.engines.facts import KEY, Facts
from icnet.engines.openvino import core, reader, sharing_core

FILES = ("model.xml", "model.bin")
quantising = sharing_core  # around what nncf does
RANGE_BY_CHANNEL = True
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def write(program: ExportedProgram, output: str, path: Path, half: bool) -> None:
    """By way of ONNX. half: weights are stored in half precision."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        between = Path(folder) / "model.onnx"
        onnx.write(program, output, between, half=False)
        openvino.save_model(load(between), path, compress_to_fp16=half)


def stamp(path: Path, facts: Facts) -> None:
    """Write what the file says of itself into it."""
    model = load(path)
    model.set_rt_info(facts.to_text(), [KEY])
    draft = path.with_stem(f"{path.stem}.stamped")
    save(model, draft)
    del model  # which maps the file that is replaced
    for suffix in (".xml", ".bin"):
        draft.with_suffix(suffix).replace(path.with_suffix(suffix))


def load(path: Path) -> Any:
    """The graph of a file, of OpenVINO or ONNX."""
    return core().read_model(path)


def save(model: Any, path: Path) -> None:
    """Write the pair of files."""
    openvino.save_model(model, path, compress_to_fp16=False)


def list_nodes(model: Any) -> list[Node]:
    """The operations of a graph, in the order in which they run."""
    return [_describe(operation) for operation in model.get_ordered_ops()]


def _describe(operation: Any) -> Node:
    sources = _sources(operation)
    convolves = operation.get_type_name() in _CONVOLUTIONS
    weight = sources[1] if convolves else None
    if weight is not None and weight.get_type_name() == "Reshape":  # into groups
        weight = _sources(weight)[0]
    layer = name_layer(weight.get_friendly_name()) if weight and weight.get_type_name() == "Constant" else None
    return Node(operation.get_friendly_name(), [s.get_friendly_name() for s in sources], convolves, layer)


def _sources(operation: Any) -> list[Any]:
    """The operations that it reads."""
    return [entry.get_source_output().get_node() for entry in operation.inputs()]


def prepare(model: Any) -> Run:
    """What nncf has compiled, as a function of frames."""
    return reader(model)
