"""ONNX files, by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as state  # private: its errors have no other place

from icnet.engines.exported import Opened, Run
from icnet.engines.facts import KEY, read_facts
from icnet.errors import WeightsError, first_line

_REFUSED = (
    state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile, state.NotImplemented,
    state.RuntimeException,
)  # fmt: skip


def open_file(path: Path, autocast: torch.dtype | None) -> Opened:
    """On a GPU where this ONNX Runtime has one, else on the CPU, which has no bf16: autocast changes nothing."""
    try:
        session = open_session(str(path))
    except _REFUSED as error:
        raise WeightsError(f"{path} cannot be run by ONNX Runtime ({first_line(error)}): export it again") from error
    facts = read_facts(session.get_modelmeta().custom_metadata_map.get(KEY), path)
    name = session.get_providers()[0].removesuffix("ExecutionProvider")
    return Opened(facts, reader(session), f"ONNX Runtime {onnxruntime.__version__} ({name})", facts.precision)


def open_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """model: the path of a file, or what is in it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    available = onnxruntime.get_available_providers()
    providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in available]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def reader(session: onnxruntime.InferenceSession) -> Run:
    """The session as a function of frames."""

    def run(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        result: npt.NDArray[np.generic] = session.run(None, {"frames": frames})[0]
        return result

    return run
