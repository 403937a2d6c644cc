"""What someone types first: the commands of the README's first screen, as they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kill_and_resume import ROOT

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


def test_a_plain_run_learns_streets(tmp_path: Path) -> None:
    assert run_icnet(tmp_path)["miou"] >= 0.60
    assert (tmp_path / "data" / "streets" / "streets.json").is_file()


@pytest.mark.skipif(not Path(CAMVID, "images").is_dir(), reason="needs CamVid in the folder that ICNET_CAMVID names")
def test_a_short_run_from_a_light_trunk_learns_real_streets(tmp_path: Path) -> None:
    metrics = run_icnet(
        tmp_path, "experiment=icnet_camvid", "backbone=efficientnet_lite0", f"data.root={Path(CAMVID).resolve()}",
        "trainer.max_steps=60", "trainer.val_check_interval=60", "scheduler.warmup_steps=10",
    )  # fmt: skip
    assert metrics["miou"] >= 0.20
