"""From a checkpoint to a file that reads frames by itself."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from icnet import __version__
from icnet.data.labels import IGNORE
from icnet.deploy.graph import SMALLEST_TRACED, FrameProgram, trace
from icnet.engines.facts import NOT_CERTIFIED, Facts
from icnet.errors import ConfigError
from icnet.model.icnet import SMALLEST_INFERENCE, STAGES
from icnet.model.preprocess import Normalize
from icnet.model.work import count_parameters
from icnet.weights.checkpoint import Source
from icnet.weights.download import sha256

# Each format has a module of its name here; the packages that write it beside torch
_NEEDS = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "program": (),
}
FORMATS = {"onnx": "onnx", "openvino": "openvino", "torch": "program", "web": "onnx"}
PRECISIONS = ("fp32", "fp16", "int8")
# Share of the pixels that must be as in fp32 (fp32), or as on the machine that exported: processors round int8 in many ways
LEAST_AGREEMENT = {"fp32": 0.9999, "fp16": 0.995, "int8": 0.98}
_OUTPUTS = {"labels": "label_map", "logits": "scores"}


@dataclass(frozen=True)
class Order:
    """What file is wanted; ConfigError for what cannot be.

    size: (height, width), or None for any.
    sparse: interpolate mixed cells alone, whose number varies; None: where the engine is known to bear it.
    """

    format: str
    precision: str
    exit: str
    output: str
    size: tuple[int, int] | None
    sparse: bool | None = None

    def __post_init__(self) -> None:
        choices = {"format": (*FORMATS, "hub"), "precision": PRECISIONS, "exit": STAGES, "output": tuple(_OUTPUTS)}
        for name, known in choices.items():
            if (value := getattr(self, name)) not in known:
                raise ConfigError(f"task.{name} is {value!r}: choose one of {', '.join(known)}")
        if self.size is not None and min(self.size) < self.smallest:
            raise ConfigError(
                f"task.size is {list(self.size)}: task.format={self.format} reads at least {self.smallest} rows and columns"
            )
        if self.precision == "int8" and self.format == "torch":
            raise ConfigError(
                "task.precision=int8 is for task.format=onnx and openvino: nncf writes no program of torch"
            )
        if self.output == "logits" and self.format == "web":
            raise ConfigError(
                "task.output=logits is for programs, and the page of task.format=web shows labels: leave it out"
            )
        if missing := missing_packages(self.format, self.precision):
            raise ConfigError(
                f"task.format={self.format} in {self.precision} needs {', '.join(missing)}, which is not installed: "
                'pip install -e ".[export]"'
            )

    @property
    def smallest(self) -> int:
        """Rows and columns of the smallest frames."""
        return SMALLEST_TRACED if self.format == "torch" and self.size is None else SMALLEST_INFERENCE

    @property
    def is_sparse(self) -> bool:
        """TensorRT and CUDA want every shape of an ONNX file beforehand."""
        return self.format != "onnx" if self.sparse is None else self.sparse

    @property
    def writer(self) -> ModuleType:
        """The module of this folder that writes the format."""
        return importlib.import_module(f"icnet.deploy.{FORMATS[self.format]}")


def missing_packages(format: str, precision: str = "fp32") -> list[str]:
    """What writing a format needs and is not installed."""
    needed = _NEEDS[FORMATS[format]] + (("nncf",) if precision == "int8" else ())
    return [name for name in needed if importlib.util.find_spec(name) is None]


def write_file(source: Source, order: Order, folder: Path) -> Path:
    """Write the files of a format into `folder`, in a float precision and not certified; the path of the first of them."""
    writer, half = order.writer, order.precision == "fp16"
    path: Path = folder / writer.FILES[0]
    normalize = Normalize(source.preprocessing["mean"], source.preprocessing["std"])
    dtype = torch.float16 if half and order.format != "openvino" else torch.float32
    program = FrameProgram(source.build(), order.exit, normalize, order.output == "logits", order.is_sparse, dtype)
    writer.write(trace(program, order.size), _OUTPUTS[order.output], path, half)
    writer.stamp(path, describe(source, order))
    return path


def describe(
    source: Source,
    order: Order,
    quantised: Mapping[str, Any] | None = None,
    certificate: Mapping[str, Any] | str = NOT_CERTIFIED,
) -> Facts:
    """What the file says of itself."""
    return Facts(
        icnet=__version__,
        format=order.format,
        precision=order.precision,
        exit=order.exit,
        output=order.output,
        size=None if order.size is None else list(order.size),
        smallest=order.smallest,
        classes={**source.classes, "ignore_index": IGNORE},
        normalisation=dict(source.preprocessing),
        architecture=dict(source.architecture),
        parameters=count_parameters(source.build_bare().exit_at(order.exit)),
        checkpoint={"file": source.origin.name, "sha256": sha256(source.origin)},
        least_agreement=LEAST_AGREEMENT[order.precision],
        quantised=quantised,
        certificate=certificate,
    )
