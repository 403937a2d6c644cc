"""Predictor: frames in, label maps out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from icnet.engines.engine import Engine
from icnet.engines.load import load_engine


class Predictor:
    """Label maps of single frames, as arrays, by any engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu") -> Predictor:
        """The network and the preprocessing of a checkpoint."""
        return cls(load_engine(path).to(torch.device(device)))

    def __call__(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """frame (H, W, 3), red first -> (H, W) train ids."""
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"the frame is {frame.dtype} {frame.shape}: give uint8 (height, width, 3), red first")
        frames = torch.from_numpy(np.ascontiguousarray(frame))[None].to(self.engine.device)
        return self.engine.label_maps(frames)[0].cpu().numpy()
