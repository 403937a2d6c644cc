"""Write a traced program as an ONNX file."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch
from torch.export import ExportedProgram

from icnet.engines.facts import KEY, Facts

FILES = ("model.onnx",)


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
