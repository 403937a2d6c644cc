"""One queue from those of the folds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.sweep.made import ledger_in, made

from icnet.errors import DataError
from icnet.report.queue import QUEUE, write_queue
from icnet.sweep.folds import join_queues
from icnet.sweep.ledger import Ledger


def region(frame: str, confidence: float) -> dict[str, Any]:
    return {"frame": frame, "confidence": confidence}


def leave_queue(folder: Path, name: str, *regions: dict[str, Any]) -> None:
    folder.mkdir()
    about = {"queue": name, "data": "mine", "root": "/d", "split": f"fold {name}", "frames": 10, "most": 3}
    write_queue(folder, about | {"classes": [], "colors": [], "regions": list(regions)})


def sweep_of(tmp_path: Path) -> Ledger:
    return ledger_in(tmp_path, *(made(n, f"data.fold={n}", folder=str(tmp_path / str(n))) for n in range(3)))


def test_the_best_of_all_folds_make_one_queue_and_a_fold_without_one_is_counted(tmp_path: Path) -> None:
    ledger = sweep_of(tmp_path)
    leave_queue(tmp_path / "0", "a", region("a.png", 0.9), region("b.png", 0.5), region("c.png", 0.4))
    leave_queue(tmp_path / "2", "b", region("d.png", 0.95), region("e.png", 0.6))
    assert join_queues(ledger) == tmp_path / "queue.html"
    joined = json.loads((tmp_path / QUEUE).read_text())
    assert [row["frame"] for row in joined["regions"]] == ["d.png", "a.png", "e.png"]
    assert (joined["queue"], joined["split"], joined["frames"]) == ("a-b", "2 of 3 folds", 20)


def test_without_any_queue_nothing_is_written(tmp_path: Path) -> None:
    assert join_queues(sweep_of(tmp_path)) is None
    assert not (tmp_path / QUEUE).exists()


def test_a_queue_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / QUEUE).write_text("{")
    with pytest.raises(DataError, match=r"0/queue\.json is not what icnet wrote"):
        join_queues(sweep_of(tmp_path))
