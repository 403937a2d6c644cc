"""Where a network runs, and in which precision: checked before anything else is done."""

from __future__ import annotations

import torch
from omegaconf import DictConfig, ListConfig

from icnet.errors import ConfigError

# What trainer.precision takes, as Lightning calls it, with the type that convolutions compute in (None: fp32)
_AUTOCAST = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
_SHORT = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def choose_precision(trainer: DictConfig) -> str:
    """trainer.precision= as Lightning takes it. `auto`: mixed bf16 where the device computes in it by itself, else fp32."""
    wanted = str(trainer.precision)
    if wanted == "auto":
        return _choose(trainer)
    precision = _SHORT.get(wanted, wanted)
    if precision not in _AUTOCAST:
        raise ConfigError(
            f"trainer.precision is {wanted}: choose one of auto, {', '.join([*_AUTOCAST, *_SHORT])}; weights stay in 32 bits"
        )
    if precision == "16-mixed" and not _on_gpu(trainer):
        raise ConfigError(
            f"trainer.precision is {wanted}: a CPU has no such convolutions; choose bf16-mixed or 32-true"
        )
    return precision


def _on_gpu(trainer: DictConfig) -> bool:
    return trainer.accelerator != "cpu" and torch.cuda.is_available()


def _choose(trainer: DictConfig) -> str:
    on_gpu = _on_gpu(trainer)
    if has_bf16("cuda" if on_gpu else "cpu"):
        return "bf16-mixed"
    return "16-mixed" if on_gpu else "32-true"


def has_bf16(device_type: str) -> bool:
    """Whether the device computes in bf16 by itself."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # private: torch.cpu._is_avx512_bf16_supported, _is_amx_tile_supported (torch 2.13): nothing public tells
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def choose_autocast(trainer: DictConfig) -> torch.dtype | None:
    """trainer.precision= as the type that convolutions compute in; None is fp32."""
    return _AUTOCAST[choose_precision(trainer)]


def choose_device(trainer: DictConfig) -> torch.device:
    """The one device of a task that needs one: a GPU where there is one and trainer.accelerator allows it.

    trainer.devices=[3] names it; a number of devices stands for the first.
    """
    if not _on_gpu(trainer):
        return torch.device("cpu")
    index = trainer.devices[0] if isinstance(trainer.devices, ListConfig) and trainer.devices else 0
    if index >= torch.cuda.device_count():
        raise ConfigError(
            f"trainer.devices is {trainer.devices}: this machine has {torch.cuda.device_count()} GPUs, from 0 on"
        )
    return torch.device("cuda", index)
