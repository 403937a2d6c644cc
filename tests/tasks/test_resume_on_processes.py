"""A run that goes on with another number of processes sees every image of its epoch once, and validates at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from tests.kill_and_resume import ROOT, SETTINGS
from tests.recording import DRAWS, STOP_AFTER, read_draws

from icnet.streets.write import write_streets
from icnet.training.metrics_file import read_rows

pytestmark = pytest.mark.slow
IMAGES = 16
TWO_EPOCHS = (
    *SETTINGS, "data.augment._target_=tests.recording.RecordingAugment", "data.num_workers=0", "data.batch_size=1",
    "trainer.max_steps=-1", "trainer.max_epochs=2", "trainer.val_check_interval=null", "task.save_every_steps=null",
    "callbacks=default", "scheduler.power=1", "scheduler.warmup_steps=0", "optimizer=sgd", "optimizer.lr=0.016",
)  # fmt: skip


@pytest.mark.parametrize(
    ("processes", "steps", "validated", "left_out"),
    [
        # 5 images, 2 steps of 2, 2 steps of 3 (one image is left), then 5 steps of 3 in the second epoch
        ([1, 2, 3], [5, 2], [9, 14], [1, 1]),
        # 3 steps of 2, 10 of 1, then 16 of 1
        ([2, 1], [3], [13, 29], [0, 0]),
    ],
)
def test_each_image_comes_once_an_epoch_though_processes_come_and_go(
    tmp_path: Path, processes: list[int], steps: list[int], validated: list[int], left_out: list[int]
) -> None:
    """processes: one after the other, all but the last stopped after so many steps."""
    data = write_streets(tmp_path / "streets", train=IMAGES, val=3, size=(64, 128), seed=0)
    folder, draws = tmp_path / "run", tmp_path / "draws"
    settings = [*TWO_EPOCHS, f"data.root={data}", f"hydra.run.dir={folder}"]
    for number, stop_after in zip(processes, [*map(str, steps), ""], strict=True):
        command = [sys.executable, str(ROOT / "run.py"), *settings, f"trainer.devices={number}"]
        told = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), DRAWS: str(draws), STOP_AFTER: stop_after}
        done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, timeout=300)
        assert done.returncode == (143 if stop_after else 0), done.stderr
        settings = [f"task.resume={folder}"]

    assert max(Counter(read_draws(draws)).values()) == 1
    for epoch in (0, 1):
        assert sum(draw[0] == epoch for draw in read_draws(draws)) == IMAGES - left_out[epoch]
    rows = read_rows(folder / "metrics.csv")
    assert [step for step, row in rows.items() if "val/miou" in row] == validated
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == validated[-1]
    # The rate falls linearly to 0 at the end of the last epoch, in steps of the present number of processes
    epoch = IMAGES // processes[-1]
    assert [rows[step]["lr"] for step in range(validated[0] + 1, validated[1] + 1)] == pytest.approx(
        [0.016 * (1 - done / (2 * epoch)) for done in range(epoch, 2 * epoch)]
    )
    assert state["lr_schedulers"][0]["last_epoch"] == 2 * epoch
