"""The engine of a file."""

from __future__ import annotations

from pathlib import Path

import torch

from icnet.engines.engine import Engine
from icnet.engines.exported import is_exported, open_exported
from icnet.engines.pytorch import CompiledEngine, TorchEngine
from icnet.weights.checkpoint import read_source


def load_engine(
    path: str | Path, autocast: torch.dtype | None = None, compiled: bool = False, channels_last: bool = True
) -> Engine:
    """What a checkpoint or an exported file holds, with its preprocessing and classes; `at` gives its exits.

    autocast: the type that convolutions compute in, where what runs the file lets one choose; None: fp32.
    compiled, channels_last: of a checkpoint's network; the second memory layout is faster on CPUs and on tensor cores.
    """
    if is_exported(path):
        return open_exported(path, autocast)
    source = read_source(path)
    net = source.build()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    source.normalize.channels_last = channels_last
    kind = CompiledEngine if compiled else TorchEngine
    return kind(net, source.normalize, source.class_table, autocast=autocast, exits=source.exits)
