"""Training that loses a loader worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from tests.conftest import Run

from icnet.data.dataset import SegmentationDataset
from icnet.data.layouts import CityscapesLayout
from icnet.errors import DataError


@pytest.mark.slow
def test_training_names_the_frame_that_kills_its_workers(
    run_icnet: Run, streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: torch raises its errors wherever the main thread is by then."""
    read = SegmentationDataset.read

    def read_or_die(data: SegmentationDataset, index: int) -> object:
        if data.augment is not None and index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(data, index)

    def train() -> None:
        try:
            run_icnet("data.num_workers=1", "trainer.max_steps=100")
        except DataError as error:
            (tmp_path / "said").write_text(str(error))

    monkeypatch.setattr(SegmentationDataset, "read", read_or_die)
    process = multiprocessing.get_context("fork").Process(target=train)
    process.start()
    process.join()
    said = (tmp_path / "said").read_text()
    assert str(CityscapesLayout(streets).samples("train")[3].image) in said
    assert said.count(".png") == 1
