"""Validation is looked at before training, and one that fails later costs no training."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import Run
from tests.tasks.test_resume import assert_same_end, killed_after

from icnet.data.images import write_image
from icnet.data.layouts import CityscapesLayout
from icnet.errors import DataError
from icnet.training.metrics_file import read_rows

SETTINGS = ("trainer.max_steps=4", "trainer.val_check_interval=2", "callbacks=ema")


@pytest.fixture
def root(streets: Path, tmp_path: Path) -> Path:
    """Scenes that a test may break."""
    return Path(shutil.copytree(streets, tmp_path / "streets"))


def test_a_first_validation_frame_that_cannot_be_read_ends_the_run_before_its_first_step(
    run_icnet: Run, root: Path
) -> None:
    broken = CityscapesLayout(root).samples("val")[1].image
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(DataError, match=broken.name):
        run_icnet(*SETTINGS, root=root)
    assert not (root.parent / "run" / "metrics.csv").exists()


def test_labels_that_are_all_ignored_end_the_run_before_its_first_step(run_icnet: Run, root: Path) -> None:
    for sample in CityscapesLayout(root).samples("val"):
        write_image(sample.label, np.zeros((64, 128), np.uint8))
    with pytest.raises(DataError, match=r"val: no validation frame has a labelled pixel; check data\.val_split"):
        run_icnet(*SETTINGS, root=root)
    assert not (root.parent / "run" / "metrics.csv").exists()


def test_two_first_frames_without_labels_stop_nothing(run_icnet: Run, root: Path) -> None:
    for sample in CityscapesLayout(root).samples("val")[:2]:
        write_image(sample.label, np.zeros((64, 128), np.uint8))
    folder = run_icnet(*SETTINGS, root=root)
    assert [step for step, row in read_rows(folder / "metrics.csv").items() if "val/miou" in row] == [2, 4]


def test_a_validation_that_fails_loses_no_step_and_is_made_up_for(run_icnet: Run, root: Path) -> None:
    """last.ckpt is written before and after the validations at steps 2 and 4; no run is scored."""
    with killed_after(4):
        run_icnet(*SETTINGS, root=root, folder="whole")
    broken = CityscapesLayout(root).samples("val")[2].image
    content = broken.read_bytes()
    broken.write_bytes(content[:300])
    with pytest.raises(DataError, match=broken.name):
        run_icnet(*SETTINGS, root=root, folder="cut")
    cut = root.parent / "cut"
    assert torch.load(cut / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    broken.write_bytes(content)
    with killed_after(3):
        run_icnet(*SETTINGS, f"task.resume={cut}", root=root, folder="cut")
    assert_same_end(root.parent / "whole", cut)


def test_the_look_before_training_changes_no_weight_and_writes_no_row(run_icnet: Run, tmp_path: Path) -> None:
    for frames in (0, 2):
        with killed_after(4):
            run_icnet(*SETTINGS, f"trainer.num_sanity_val_steps={frames}", folder=f"look{frames}")
    assert_same_end(tmp_path / "look0", tmp_path / "look2")
