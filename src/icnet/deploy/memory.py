"""How much memory an engine needs: run as a program, in whose process nothing else is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from icnet.engines.load import load_engine

_HOME = Path(__file__).parents[2]  # of the package
_STATUS = Path("/proc/self/status")


class Load(NamedTuple):
    """What is measured: an engine, as `load_engine` opens it, and the frames that it reads. autocast: a name of torch's."""

    path: str
    exit: str
    autocast: str | None
    compiled: bool
    channels_last: bool
    device: str
    size: tuple[int, int]
    batch: int
    threads: int


def measure_memory(load: Load) -> int | None:
    """Peak bytes beyond Python and torch; None where the system does not tell, or ended the process for lack of it."""
    command = [sys.executable, "-m", "icnet.deploy.memory", json.dumps(load)]
    done = subprocess.run(command, env=own_environment(), capture_output=True, text=True)
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])


def run(load: Load) -> int | None:
    """Open the engine here and have it read frames twice: some reserve more at the second time."""
    torch.set_num_threads(load.threads)
    held = _read_status("VmRSS")
    autocast = None if load.autocast is None else getattr(torch, load.autocast)
    engine = load_engine(load.path, autocast, load.compiled, load.channels_last).at(load.exit)
    engine = engine.to(torch.device(load.device))
    for _ in range(2):
        engine.label_maps(torch.zeros(load.batch, *load.size, 3, dtype=torch.uint8, device=engine.device))
    peak = read_peak(engine.device)
    return peak if held is None or peak is None or engine.device.type == "cuda" else peak - held


def read_peak(device: torch.device) -> int | None:
    """The most bytes that this process has held so far: on the GPU, or resident, with Python and all libraries."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _read_status("VmHWM")


def own_environment() -> dict[str, str]:
    """For `python -m icnet...`: this package, also from a checkout that is not installed."""
    return {**os.environ, "PYTHONPATH": str(_HOME)}


def _read_status(key: str) -> int | None:
    """Bytes that Linux counts; getrusage would begin with the peak of the process that started this one."""
    found = re.search(rf"^{key}:\s*(\d+) kB", _STATUS.read_text(), re.M) if _STATUS.is_file() else None
    return None if found is None else 1024 * int(found[1])


if __name__ == "__main__":
    print(json.dumps(run(Load(*json.loads(sys.argv[1])))))
