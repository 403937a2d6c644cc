"""The further processes of a run on several devices: they write nothing, and none of them outlives the first."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

_LOOK_EVERY_S = 1.0


def is_follower() -> bool:
    """Whether this process is another one than the first of its run (Lightning, torchrun and SLURM say so before start)."""
    node = int(os.environ.get("NODE_RANK") or os.environ.get("GROUP_RANK") or os.environ.get("SLURM_NODEID") or 0)
    local = int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)
    return node > 0 or local > 0


def follower_arguments(given: Sequence[str]) -> list[str]:
    """What keeps Hydra from writing a configuration and a log of this process, and from making a folder.

    Under torchrun and SLURM nobody tells a follower the folder, which carries the time of its own start; it writes nothing
    there, and hears from the first process what it has to read.
    """
    if not is_follower():
        return []
    told = any(argument.startswith(("hydra.run.dir=", "-m", "--multirun")) for argument in given)
    return ["hydra.output_subdir=null", "hydra/job_logging=none", *([] if told else ["hydra.run.dir=."])]


def end_with_parent() -> None:
    """End this follower when the process that started it is gone: it would wait for the others forever.

    torchrun and SLURM look after their processes themselves.
    """
    if not is_follower():
        return
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch would warn at length that the others are gone
    if "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ:
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
