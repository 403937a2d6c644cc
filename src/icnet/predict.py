"""Predictor: frames in, label maps out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from icnet.model.preprocess import Normalize
from icnet.weights import load_checkpoint, read_checkpoint


class Predictor:
    """Label maps of single frames.

    net: an ICNet, or one of its exits; it is put into eval mode.
    normalize: as in training; ImageNet's statistics by default, which every data set here uses unless told otherwise.
    """

    def __init__(self, net: nn.Module, normalize: Normalize | None = None) -> None:
        self.net = net.eval()
        self.device = next(net.parameters()).device
        self.normalize = (normalize or Normalize()).to(self.device)

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu") -> Predictor:
        """The network and the preprocessing of a checkpoint."""
        about = read_checkpoint(path).preprocessing
        return cls(load_checkpoint(path).to(device), Normalize(about["mean"], about["std"]))

    @torch.inference_mode()
    def __call__(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """frame (H, W, 3), red first -> (H, W) train ids."""
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f"the frame is {frame.dtype} {frame.shape}: give uint8 (height, width, 3), red first")
        images = self.normalize(torch.from_numpy(np.ascontiguousarray(frame))[None].to(self.device))
        return self.net(images).argmax(dim=1)[0].to(torch.uint8).cpu().numpy()
