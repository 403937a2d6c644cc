"""A checkpoint is written whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from icnet.errors import ICNetError
from icnet.training.checkpoint import AtomicCheckpointIO


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_is_called_so_with_the_file_and_the_earlier_one_stays(tmp_path: Path) -> None:
    target = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, target)
    target.with_name("last.ckpt.part").symlink_to("/dev/full")
    with pytest.raises(ICNetError, match=r"last\.ckpt cannot be written \(No space left on device\): free the disk"):
        AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(100_000)}, target)
    assert torch.load(target, weights_only=True) == {"step": 1}
    assert list(target.parent.iterdir()) == [target]
