"""The engine of a file."""

from __future__ import annotations

from pathlib import Path

import torch

from icnet.data.labels import ClassTable
from icnet.engines.pytorch import CompiledEngine, TorchEngine
from icnet.model.preprocess import Normalize
from icnet.weights.checkpoint import read_source


def load_engine(
    path: str | Path, autocast: torch.dtype | None = None, compiled: bool = False, channels_last: bool = True
) -> TorchEngine:
    """The whole network of a checkpoint on the CPU, with its preprocessing and classes; `at` gives its exits.

    channels_last: memory layout, the faster one on CPUs and on tensor cores.
    """
    source = read_source(path)
    net = source.build()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalize = Normalize(source.preprocessing["mean"], source.preprocessing["std"], channels_last)
    kind = CompiledEngine if compiled else TorchEngine
    return kind(net, normalize, ClassTable(**source.classes), autocast=autocast)
