"""OpenVINO's files, by OpenVINO on the CPU."""

from __future__ import annotations

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
    core = openvino.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise WeightsError(f"{path} or its .bin is missing, cut off or not of OpenVINO: export it again") from error
    facts = read_facts(model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None, path)
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[autocast],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(model, "CPU", settings)

    hint = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
    name = f"OpenVINO {openvino.__version__.partition('-')[0]}"
    return Opened(facts, reader(compiled), name, facts.precision if facts.precision == "int8" else hint)


def reader(compiled: openvino.CompiledModel) -> Run:
    """What was compiled as a function of frames."""

    def run(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        result: npt.NDArray[np.generic] = compiled(frames)[0].copy()
        return result

    return run
