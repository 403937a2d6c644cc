"""Kill a training run with SIGKILL at random moments, resume it, and compare with the run that was never stopped.

python tests/kill_and_resume.py --times 20
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from icnet.streets.write import write_streets
from icnet.training.metrics_file import read_rows

ROOT = Path(__file__).parents[1]
SETTINGS = (
    "data.prepare=null", "backbone=resnet18", "model.backbone.width=0.125", "model.fusion_channels=16",
    "data.crop_size=[64,64]", "data.batch_size=2", "data.num_workers=1", "trainer.accelerator=cpu", "callbacks=ema",
    "trainer.precision=32-true", "trainer.max_steps=60", "trainer.val_check_interval=10", "trainer.log_every_n_steps=1",
    "task.save_every_steps=4",
)  # fmt: skip


def start(
    folder: Path, *settings: str, told: Mapping[str, str] | None = None, err: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a run in `folder`, in a process group of its own; what it prints goes to `folder`.out.

    told: environment variables. err: where stderr goes instead, as subprocess names it.
    """
    with (folder.parent / f"{folder.name}.out").open("ab") as out:
        command = [sys.executable, str(ROOT / "run.py"), *settings]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(told or {})}
        return subprocess.Popen(command, stdout=out, stderr=err or out, env=environment, start_new_session=True)


def seconds_of_training(process: subprocess.Popen[bytes], folder: Path) -> float:
    """Seconds from the first row of metrics.csv to the end of the run, which must succeed."""
    wait_for_first_row(process, folder)
    begin = time.monotonic()
    if process.wait(timeout=300) != 0:
        raise SystemExit(f"the run failed:\n{(folder.parent / f'{folder.name}.out').read_text()}")
    return time.monotonic() - begin


def wait_for_first_row(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until training has begun, or the run has ended."""
    while not (folder / "metrics.csv").is_file() and process.poll() is None:
        time.sleep(0.02)


def kill_after(process: subprocess.Popen[bytes], folder: Path, seconds: float) -> None:
    """SIGKILL the whole process group that long after the first row."""
    wait_for_first_row(process, folder)
    time.sleep(seconds)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def differences(first: Path, second: Path) -> list[str]:
    """What the final states of two runs do not share."""
    a, b = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (first, second))
    found = [
        f"{part}: {key}"
        for part in ("state_dict", "current_model_state")
        for key in a[part]
        if not torch.equal(a[part][key], b[part][key])
    ]
    return found if repeatable_rows(first) == repeatable_rows(second) else [*found, "metrics.csv"]


def repeatable_rows(folder: Path) -> dict[int, dict[str, float]]:
    """The rows of metrics.csv without the one value that depends on the clock."""
    rows = read_rows(folder / "metrics.csv")
    return {step: {k: v for k, v in row.items() if k != "train/images_per_second"} for step, row in rows.items()}


def try_kills(times: int, seed: int, folder: Path) -> None:
    """Run once whole, then `times` times with a kill and a resumption; SystemExit names the first difference."""
    data = write_streets(folder / "streets", train=10, val=2, size=(64, 128), seed=0)
    settings = (*SETTINGS, f"data.root={data}")
    whole = folder / "whole"
    duration = seconds_of_training(start(whole, *settings, f"hydra.run.dir={whole}"), whole)
    moments = random.Random(seed)
    for number in range(times):
        cut = folder / f"cut{number}"
        moment = moments.uniform(0, 0.9 * duration)
        kill_after(start(cut, *settings, f"hydra.run.dir={cut}"), cut, moment)
        resumed = start(cut, f"task.resume={cut}")
        if resumed.wait(timeout=300) != 0:
            raise SystemExit(f"resuming failed:\n{(folder / f'cut{number}.out').read_text()}")
        if found := differences(whole, cut):
            raise SystemExit(f"killed {moment:.2f} s after the first step, then resumed: {', '.join(found)} differ")
        print(
            f"{number + 1}/{times}: killed {moment:.2f} s after the first step; the same weights and metrics",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        try_kills(given.times, given.seed, Path(place))
