"""Write a traced program as OpenVINO's pair of files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import openvino
from torch.export import ExportedProgram

from icnet.deploy import onnx
from icnet.engines.facts import KEY, Facts

FILES = ("model.xml", "model.bin")


def write(program: ExportedProgram, output: str, path: Path, half: bool) -> None:
    """By way of ONNX. half: weights are stored in half precision."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        between = Path(folder) / "model.onnx"
        onnx.write(program, output, between, half=False)
        openvino.save_model(openvino.convert_model(between), path, compress_to_fp16=half)


def stamp(path: Path, facts: Facts) -> None:
    """Write what the file says of itself into it."""
    model = openvino.Core().read_model(path)
    model.set_rt_info(facts.to_text(), [KEY])
    draft = path.with_stem(f"{path.stem}.stamped")
    openvino.save_model(model, draft, compress_to_fp16=False)
    del model  # which maps the file that is replaced
    for suffix in (".xml", ".bin"):
        draft.with_suffix(suffix).replace(path.with_suffix(suffix))
