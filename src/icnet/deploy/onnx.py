"""Write a traced program as an ONNX file."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from torch.export import ExportedProgram

from icnet.deploy.quantise import Node, name_layer
from icnet.engines.exported import Run
from icnet.engines.facts import KEY, Facts
from icnet.engines.onnx import open_session, reader

FILES = ("model.onnx",)
quantising = contextlib.nullcontext  # around what nncf does
# Whether quantised activations may have a range for each channel, which nncf else gives to what depthwise convolutions read
RANGE_BY_CHANNEL = False


def write(program: ExportedProgram, output: str, path: Path, half: bool) -> None:
    """One file, with its weights inside. half: has no meaning here, the program brings its own precision."""
    with _quietly():
        torch.onnx.export(
            program, (), path, dynamo=True, external_data=False, verbose=False,
            input_names=["frames"], output_names=[output],
        )  # fmt: skip


def stamp(path: Path, facts: Facts) -> None:
    """Write what the file says of itself into it."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {KEY: facts.to_text()})
    model.producer_name, model.producer_version = "icnet", facts.icnet
    onnx.save(model, path)


def load(path: Path) -> Any:
    """The graph of a file."""
    return onnx.load(path)


def save(model: Any, path: Path) -> None:
    """One file."""
    onnx.save(model, path)


def list_nodes(model: Any) -> list[Node]:
    """The operations of a graph, in the order in which they run."""
    made_by = {output: node.name for node in model.graph.node for output in node.output}
    weights = {weight.name for weight in model.graph.initializer}
    return [
        Node(
            node.name,
            [made_by.get(name, name) for name in node.input],
            node.op_type == "Conv",
            name_layer(node.input[1]) if node.op_type == "Conv" and node.input[1] in weights else None,
        )
        for node in model.graph.node
    ]


def prepare(model: Any) -> Run:
    """A graph as a function of frames."""
    return reader(open_session(model.SerializeToString()))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter lists packages that are not there and prints its steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
