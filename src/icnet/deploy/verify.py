"""Runs the golden frames through the model beside this file; needs numpy and the engine alone.

Prints one line of JSON, the share of pixels that are as they must be and the median milliseconds of a frame; status 1 where
too few are.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

# On import the engines write into the home folder and send what they were used for, unless told not to
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load(facts: dict[str, Any]) -> Callable[[Any], Any]:
    """The model as a function of frames."""
    if facts["format"] in ("onnx", "web"):
        import onnxruntime

        session = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])
        return lambda frames: session.run(None, {"frames": frames})[0]
    if facts["format"] == "openvino":
        import openvino

        exact = {"INFERENCE_PRECISION_HINT": "f32"}  # it may choose bf16 by itself; int8 stays int8
        model = openvino.Core().compile_model(HERE / "model.xml", "CPU", exact)
        return lambda frames: model(frames)[0]
    import torch

    program = torch.export.load(HERE / "model.pt2").module()
    return lambda frames: program(torch.from_numpy(frames)).numpy()


def main() -> int:
    """The status: 0 where every golden frame has the share of its pixels that the file promises."""
    facts = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
    golden = np.load(HERE / "golden.npz")
    run = load(facts)
    run(golden["frames"][:1])
    same, times = [], []
    for frame, label_map in zip(golden["frames"], golden["label_maps"], strict=True):
        start = time.perf_counter()
        made = run(frame[None])[0]
        times.append(1e3 * (time.perf_counter() - start))
        made = made.argmax(axis=0) if facts["output"] == "logits" else made
        same.append(float((made == label_map).mean()))
    print(json.dumps({"agreement": round(min(same), 6), "median_ms": round(float(np.median(times)), 2)}))
    return 0 if min(same) >= facts["least_agreement"] else 1


if __name__ == "__main__":
    sys.exit(main())
