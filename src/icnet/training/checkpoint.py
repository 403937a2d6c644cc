"""Checkpoints: which are kept, and how a file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from icnet.errors import ICNetError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write to a temporary file beside the target, then rename: a killed process or a full disk leaves the earlier one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        target = Path(path)
        part = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            part.unlink(missing_ok=True)
            raise ICNetError(
                f"{target} cannot be written ({error}): free the disk or check permissions; what was there before is whole"
            ) from error


def build_checkpoints(folder: Path, monitor: str) -> list[ModelCheckpoint]:
    """best.ckpt by `monitor` (higher is better) and last.ckpt, at each validation."""
    best = ModelCheckpoint(
        folder, "best", monitor=monitor, mode="max", auto_insert_metric_name=False, enable_version_counter=False
    )
    last = ModelCheckpoint(folder, "last", auto_insert_metric_name=False, enable_version_counter=False)
    return [best, last]
