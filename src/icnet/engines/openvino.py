"""OpenVINO's files, by OpenVINO on the CPU."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino
import torch

from icnet.engines.exported import Opened, Run
from icnet.engines.facts import KEY, read_facts
from icnet.errors import WeightsError

_HINTS = {None: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


def open_file(path: Path, autocast: torch.dtype | None) -> Opened:
    """autocast: what convolutions of float files compute in where the CPU has it; OpenVINO would choose by itself."""
    try:
        model = core().read_model(path)
    except RuntimeError as error:
        raise WeightsError(f"{path} or its .bin is missing, cut off or not of OpenVINO: export it again") from error
    facts = read_facts(model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None, path)
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[autocast],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core().compile_model(model, "CPU", settings)
    hint = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
    name = f"OpenVINO {openvino.__version__.partition('-')[0]}"
    return Opened(facts, reader(compiled), name, facts.precision if facts.precision == "int8" else hint)


@functools.cache
def core() -> openvino.Core:
    """The one of this process, as long as it lives.

    Where a CPU has AMX, each core gives signals a stack of its own, and when it goes it puts back the one before (OpenVINO
    2026.4): of two that go in the order in which they came the second puts back one that is gone, and the next signal, be it
    that a child has ended, kills the process.
    """
    return openvino.Core()


@contextlib.contextmanager
def sharing_core() -> Iterator[None]:
    """Meanwhile whoever asks OpenVINO for a core (nncf does for each graph that it tries) is given that of this process."""
    before, made = (openvino.Core, openvino.compile_model), core()
    openvino.Core, openvino.compile_model = lambda: made, made.compile_model
    try:
        yield
    finally:
        openvino.Core, openvino.compile_model = before


def reader(compiled: openvino.CompiledModel) -> Run:
    """What was compiled as a function of frames."""

    def run(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        result: npt.NDArray[np.generic] = compiled(frames)[0].copy()
        return result

    return run
