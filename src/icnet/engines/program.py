"""torch.export's files, by PyTorch."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from icnet.engines.exported import Opened
from icnet.engines.facts import KEY, read_facts
from icnet.errors import WeightsError
from icnet.weights.read import BROKEN


def open_file(path: Path, autocast: torch.dtype | None) -> Opened:
    """autocast: None or bfloat16, what convolutions compute in."""
    texts, logger = {KEY: ""}, logging.getLogger("torch.export")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it tells of the fault with a traceback, and raises another
    try:
        module = torch.export.load(path, extra_files=texts).module()
    except (*BROKEN, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is no program of torch.export, or was cut off: export it again") from error
    finally:
        logger.setLevel(level)
    facts = read_facts(texts[KEY], path)

    def run(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.generic]:
        with torch.inference_mode(), torch.autocast("cpu", autocast, enabled=autocast is not None):
            result: npt.NDArray[np.generic] = module(torch.from_numpy(frames)).numpy()
        return result

    return Opened(facts, run, "torch.export", str(autocast or facts.precision).removeprefix("torch."))
