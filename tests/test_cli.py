"""The command line as a user meets it: another process, its streams and its exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from icnet.cli import resume_arguments

ROOT = Path(__file__).parents[1]


def icnet(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_help_answers_without_loading_torch(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['run.py', '--help']; from icnet.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pytorch_lightning', 'albumentations', 'cv2', 'wandb', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "experiment: " in done.stdout


def test_a_misspelt_setting_is_refused_with_a_suggestion_and_leaves_nothing(tmp_path: Path) -> None:
    done = icnet("trainer.max_stesp=3", cwd=tmp_path)
    assert done.returncode == 1
    assert "icnet: trainer.max_stesp is not a setting: did you mean trainer.max_steps?" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_setting_behind_a_plus_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    done = icnet("+optimizer.weight_decai=0.9", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "icnet: optimizer.weight_decai is not a setting: did you mean weight_decay?\n"
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_not_there_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    done = icnet("data=camvid", "data.root=nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("icnet: there is no folder nowhere: set data.root")
    assert "Traceback" not in done.stderr


def test_a_folder_with_an_earlier_run_is_refused_untouched(tmp_path: Path) -> None:
    earlier = tmp_path / "run"
    earlier.mkdir()
    (earlier / "results.json").write_text("{}")
    done = icnet(f"hydra.run.dir={earlier}", cwd=tmp_path)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [p.name for p in earlier.iterdir()] == ["results.json"]


@pytest.mark.parametrize("settings", [["hydra.run.dir=file/run"], ["-m", "seed=0,1", "hydra.sweep.dir=file/sweep"]])
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, settings: list[str]) -> None:
    (tmp_path / "file").touch()
    done = icnet(*settings, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("icnet: file/")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_label_outside_the_table_is_one_line_also_from_a_loader_worker(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / kind / split).mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(tmp_path / "images" / split / f"{number}.png"), np.zeros((64, 64, 3), np.uint8))
            cv2.imwrite(str(tmp_path / "labels" / split / f"{number}.png"), np.full((64, 64), 77, np.uint8))
    done = icnet("data=camvid", f"data.root={tmp_path}", "data.crop_size=[64,64]", "data.batch_size=2",
                 "backbone=resnet18", "model.backbone.width=0.125", "data.num_workers=1", "trainer.max_steps=1",
                 cwd=tmp_path)  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"icnet: {tmp_path}/labels/train/")
    assert "has label 77 (4096 pixels), which no class has" in last


def test_a_run_to_resume_may_have_spaces_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text("{}")
    for quote in ("'", '"'):
        quoted = f"{quote}{folder}{quote}"
        assert resume_arguments([f"task.resume={quoted}"]) == [f"hydra.run.dir={quoted}", "hydra.output_subdir=null"]
    assert resume_arguments(["task.resume=null"]) == []
