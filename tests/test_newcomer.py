"""What someone types first: the commands of the README's first screen, as they stand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from icnet.data.labels import ClassTable
from tests.conftest import run_plain
from tests.kill_and_resume import ROOT
from tests.planted import is_planted, plant_errors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
CAMVID = os.environ.get("ICNET_CAMVID", "nowhere")


def run_icnet(folder: Path, *settings: str) -> dict[str, float]:
    """Run it in an empty folder, with one thread: another test has the other core; its metrics."""
    command = [sys.executable, str(ROOT / "run.py"), *settings]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    (results,) = folder.glob("outputs/train/*/*/results.json")
    metrics: dict[str, float] = json.loads(results.read_text())["metrics"]
    return metrics


def test_a_plain_run_learns_streets_and_finds_wrong_labels(tmp_path: Path, street_classes: ClassTable) -> None:
    assert run_icnet(tmp_path)["miou"] >= 0.60
    assert (tmp_path / "data" / "streets" / "streets.json").is_file()
    (trained,) = tmp_path.glob("outputs/train/*/*/checkpoints/best.ckpt")
    root = tmp_path / "planted"
    shutil.copytree(tmp_path / "data" / "streets", root, ignore=shutil.ignore_patterns("train"))
    planted = plant_errors(root, street_classes.ids, 0.05)
    run_plain(tmp_path / "judged", root, "task=evaluate", f"ckpt={trained}", "task.queue=50", "task.exits=false")
    queue = json.loads((tmp_path / "judged" / "queue.json").read_text())["regions"]
    assert len(queue) == 50
    assert sum(is_planted(region, planted) for region in queue) >= 25


@pytest.mark.skipif(not Path(CAMVID, "images").is_dir(), reason="needs CamVid in the folder that ICNET_CAMVID names")
def test_a_short_run_from_a_light_trunk_learns_real_streets(tmp_path: Path) -> None:
    metrics = run_icnet(
        tmp_path, "experiment=icnet_camvid", "backbone=efficientnet_lite0", f"data.root={Path(CAMVID).resolve()}",
        "trainer.max_steps=60", "trainer.val_check_interval=60", "scheduler.warmup_steps=10",
    )  # fmt: skip
    assert metrics["miou"] >= 0.20
