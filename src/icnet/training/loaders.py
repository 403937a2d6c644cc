"""Loaders for this machine: how many workers, and where they come from."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from icnet.data.pipeline import count_cores
from icnet.data.workers import init_worker, worker_context
from icnet.errors import ConfigError

_PREFETCH = 4  # batches a worker is ahead: samples differ in what they cost


def check_loading(batch_size: int, num_workers: int | None) -> None:
    """Refuse settings of loaders that cannot be."""
    if batch_size < 1:
        raise ConfigError(f"data.batch_size is {batch_size}: at least 1")
    if num_workers is not None and num_workers < 0:
        raise ConfigError(f"data.num_workers is {num_workers}: 0 loads in the process itself, null chooses")


def place_of(trainer: pl.Trainer | None) -> tuple[int, int]:
    """(rank, number of processes)."""
    return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)


def build_loader(
    data: Dataset[Any], sampler: Sampler[Any], batch_size: int, num_workers: int | None, trainer: pl.Trainer | None
) -> DataLoader[Any]:
    """A loader for this machine: pinned memory for a GPU, workers that live on; None workers are chosen."""
    here = 1 if trainer is None else place_of(trainer)[1] // trainer.num_nodes
    workers = choose_workers(here) if num_workers is None else num_workers
    return DataLoader(
        data,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        prefetch_factor=_PREFETCH if workers > 0 else None,
        worker_init_fn=init_worker,
        multiprocessing_context=worker_context() if workers > 0 else None,
    )


def choose_workers(processes: int = 1) -> int:
    """Loader processes for each training process: none on a CPU, which is busy with the network; else up to 8.

    processes: that train on this machine.
    """
    if not torch.cuda.is_available():
        return 0
    return max(1, min(8, count_cores() // processes - 1))
