"""The command line as a user meets it: another process, its streams and its exit status."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from icnet.arguments import quote, read_arguments, read_value
from icnet.cli import resume_arguments, run_task, was_ours
from icnet.files import conf_folder
from tests.conftest import TINY

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


@pytest.mark.slow
def test_data_that_is_not_there_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    done = icnet("data=camvid", "data.root=nowhere", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("icnet: there is no folder nowhere: set data.root")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_folder_with_an_earlier_run_is_refused_untouched(tmp_path: Path) -> None:
    earlier = tmp_path / "run"
    earlier.mkdir()
    (earlier / "results.json").write_text("{}")
    done = icnet(f"hydra.run.dir={earlier}", cwd=tmp_path)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [p.name for p in earlier.iterdir()] == ["results.json"]


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["my run", "my run (1), it's ü=#&~x", "2024"])
def test_a_run_to_resume_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text("{}")
    for typed in (str(folder), quote(str(folder)), f'"{folder}"'):
        place, output = resume_arguments(read_arguments([f"task.resume={typed}"]))
        assert (read_value(place), output) == (str(folder), "hydra.output_subdir=null")
    assert resume_arguments(["task.resume=null"]) == []


BROKEN = "# @package _global_\nname: x\n seed: 1\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data=null"], ["icnet: You must specify 'data', e.g, data=<OPTION> Available options: "]),
        (
            ["backbone=resnet5"],
            ["icnet: In 'config': Could not find 'backbone/resnet5' Available options in 'backbone': "],
        ),
        (["name=jürgen"], ["icnet: LexerNoViableAltException: name=jürgen ^", "icnet: in quotes it is a text: "]),
        (["--config-dir=none"], ["icnet: Additional config directory '"]),
        (
            ["--config-dir=own", "experiment=broken"],
            ["icnet: {}/own/experiment/broken.yaml, line 3: mapping values are not"],
        ),
        (["--config-dir=own", "experiment=loop"], ["icnet: maximum recursion depth exceeded"]),
        (["--run", "--cfg", "job"], ["icnet: Only one of --run, --multirun, --cfg"]),
        (["--nope"], ["icnet: unrecognized arguments: --nope"]),
        (["task.resume='it's'"], ["icnet: LexerNoViableAltException: task.resume='it's' ^"]),
        (["-m", "data.root=/d/a,b"], ["icnet: data.root=/d/a,b may be one path or several: with -m give "]),
        (
            ["-m", "loss=null,cascade"],
            ["icnet: job 0: You must specify 'loss', e.g, loss=<OPTION> Available options: "],
        ),
        (["name=${nothing}"], ["icnet: Interpolation key 'nothing' not found"]),
    ],
)
def test_what_hydra_refuses_is_short_and_leaves_nothing(tmp_path: Path, settings: list[str], said: list[str]) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "broken.yaml").write_text(BROKEN)
    (tmp_path / "own" / "experiment" / "loop.yaml").write_text("defaults:\n  - /experiment: loop\n")
    done = icnet(*settings, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == len(said), done.stderr
    assert all(line.startswith(start.replace("{}", str(tmp_path))) for line, start in zip(lines, said, strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_fault_of_our_own_keeps_its_traceback() -> None:
    with pytest.raises(AttributeError) as ours:
        run_task(None)  # type: ignore[arg-type]
    assert was_ours(ours.value)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"), pytest.raises(ValueError) as of_hydra:
        compose("config", ["logger=null"])
    assert not was_ours(of_hydra.value)


TRICKY = "my run (1), it's ü=#&~x"


@pytest.mark.slow
def test_any_folder_is_the_same_for_ranks_resumed_runs_evaluations_and_jobs_of_sweeps(
    tmp_path: Path, streets: Path
) -> None:
    place = tmp_path / TRICKY
    shutil.copytree(streets, place / "data")
    root = f"data.root={TRICKY}/data"
    short = (*TINY, "data.batch_size=1", "data.prepare=null")
    run = ("trainer.devices=2", "strategy=ddp", "trainer.max_steps=2", f"hydra.run.dir={TRICKY}/run")
    runs = [
        (*short, root, *run),
        (f"task.resume={TRICKY}/run", "trainer.max_steps=3"),
        ("task=evaluate", f"ckpt={TRICKY}/run/checkpoints/best.ckpt", root, "data.prepare=null", "trainer.accelerator=cpu",
         f"hydra.run.dir={TRICKY}/evaluate"),
        ("task=predict", f"ckpt={TRICKY}/run/checkpoints/best.ckpt", f"source={TRICKY}/data/leftImg8bit/v[a]l/*/*.png",
         "trainer.accelerator=cpu", f"hydra.run.dir={TRICKY}/predict"),
        ("-m", *short, f"data.root={quote(TRICKY + '/data')}", *run[:3], f"hydra.sweep.dir={TRICKY}/sweep"),
    ]  # fmt: skip
    for arguments in runs:
        done = icnet(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [TRICKY]
    for folder in ("run", "evaluate", "predict", "sweep/0"):
        assert (place / folder / "results.json").is_file()
