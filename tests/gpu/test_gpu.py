"""Whether this machine's GPUs do what the CPU does: `pytest -m gpu`, about a minute."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import write_checkpoint
from tests.kill_and_resume import ROOT

from icnet.data.labels import ClassTable
from icnet.engines.load import load_engine
from icnet.streets.write import write_streets

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
CLASSES = ClassTable(list("abcdefghij"), [[n, n, n] for n in range(10)])
SHORT = ("backbone=resnet18", "model.backbone.width=0.25", "data.prepare=null", "data.crop_size=[128,128]",
         "data.batch_size=4", "data.num_workers=2", "trainer.max_steps=60", "trainer.val_check_interval=30",
         "trainer.log_every_n_steps=10")  # fmt: skip


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streets(tmp_path_factory.mktemp("gpu") / "streets", train=32, val=7, size=(128, 256), seed=0)


def run(root: Path, folder: Path, *settings: str) -> dict[str, Any]:
    """The results of a run in processes of their own."""
    command = [sys.executable, str(ROOT / "run.py"), f"data.root={root}", f"hydra.run.dir={folder}", *settings]
    subprocess.run(command, check=True, cwd=folder.parent, timeout=300)
    return json.loads((folder / "results.json").read_text())


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


def test_a_short_run_learns_and_says_on_what_and_in_which_precision(scenes: Path, tmp_path: Path) -> None:
    results = run(scenes, tmp_path / "run", *SHORT)
    metrics, protocol = results["metrics"], results["protocol"]
    found = losses(tmp_path / "run")
    assert found[-1] < found[0]
    assert metrics["miou"] > 0.05
    assert protocol["device"].startswith("cuda")
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    assert protocol["precision"] == ("bf16-mixed" if native else "16-mixed")
    assert protocol["timing"]["device"] == "cuda:0"
    assert protocol["timing"]["precision"] == ("bfloat16" if native else "float16")
    assert 0 < metrics["image_ms"] < 1000


def test_an_evaluation_on_the_gpu_scores_as_one_on_the_cpu(scenes: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "a.ckpt", ClassTable(**streets_classes(scenes, tmp_path)))
    common = ("task=evaluate", f"ckpt={checkpoint}", "data.prepare=null", "trainer.precision=32")
    there = run(scenes, tmp_path / "gpu", *common)["metrics"]
    here = run(scenes, tmp_path / "cpu", *common, "trainer.accelerator=cpu")["metrics"]
    assert there["pixel_accuracy"] == pytest.approx(here["pixel_accuracy"], abs=1e-3)
    assert there["miou"] == pytest.approx(here["miou"], abs=1e-3)


def streets_classes(scenes: Path, tmp_path: Path) -> dict[str, Any]:
    prepared = run(scenes, tmp_path / "prepare", "task=prepare", "data.prepare=null")
    classes: dict[str, Any] = prepared["protocol"]["classes"]
    return classes


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_label_maps_of_the_gpu_are_those_of_the_cpu(autocast: torch.dtype | None, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", CLASSES)
    frames = torch.randint(0, 256, (2, 257, 385, 3), dtype=torch.uint8)
    here = load_engine(path).label_maps(frames)
    there = load_engine(path, autocast).to(torch.device("cuda")).label_maps(frames.cuda()).cpu()
    assert (here == there).float().mean() > (0.999 if autocast is None else 0.95)


def test_the_device_that_is_named_is_the_one_that_computes(scenes: Path, tmp_path: Path) -> None:
    last = torch.cuda.device_count() - 1
    checkpoint = write_checkpoint(tmp_path / "a.ckpt", CLASSES)
    settings = (f"ckpt={checkpoint}", f"trainer.devices=[{last}]")
    source = next(scenes.rglob("*_leftImg8bit.png"))
    protocol = run(scenes, tmp_path / "predict", "task=predict", f"source={source}", *settings)["protocol"]
    assert protocol["device"].startswith("cuda")
    protocol = run(scenes, tmp_path / "train", *SHORT, f"trainer.devices=[{last}]", "trainer.max_steps=2")["protocol"]
    assert protocol["timing"]["device"] == f"cuda:{last}"


def test_more_gpus_than_there_are_get_one_line(scenes: Path, tmp_path: Path) -> None:
    count = torch.cuda.device_count() + 1
    command = [sys.executable, str(ROOT / "run.py"), f"data.root={scenes}", *SHORT, f"trainer.devices={count}"]
    done = subprocess.run([*command, f"hydra.run.dir={tmp_path}/run"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("icnet: trainer:")]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
def test_all_gpus_train_together_and_count_each_frame_once(scenes: Path, tmp_path: Path) -> None:
    count = torch.cuda.device_count()
    results = run(scenes, tmp_path / "run", *SHORT, f"trainer.devices={count}", "strategy=ddp", "data.batch_size=1")
    assert results["protocol"]["images"] == 7
    assert results["protocol"]["train_samples"] == 60 * count
    alone = run(scenes, tmp_path / "alone", "task=evaluate", "data.prepare=null", "task.exits=false",
                f"ckpt={tmp_path}/run/checkpoints/best.ckpt")  # fmt: skip
    assert alone["metrics"]["miou"] == pytest.approx(results["metrics"]["miou"], abs=1e-6)


def test_the_memory_of_workers_is_pinned_and_no_process_is_left(scenes: Path, tmp_path: Path) -> None:
    run(scenes, tmp_path / "run", *SHORT, "trainer.max_steps=2", "data.num_workers=4")
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in p.read_bytes()]
    assert not [p for p in left if p.parent.name != str(os.getpid())]
