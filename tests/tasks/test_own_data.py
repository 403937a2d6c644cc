"""Training on data as people have them: what is said first, and what the checkpoint keeps of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from tests.conftest import TINY, compose_run

from icnet.cli import run_task
from icnet.config import check_config, settle_values
from icnet.data.check.summary import Summary
from icnet.data.images import read_image, write_image
from icnet.errors import ConfigError, DataError
from icnet.predict import Predictor
from icnet.tasks.prepare.table import print_summary
from icnet.tasks.setup.build import build
from icnet.tasks.train import show_data
from icnet.visualize.colors import overlay
from icnet.weights.checkpoint import read_source

VALUES = "data.values={0: background, 255: object}"
SIZE = (64, 96)
Array = np.ndarray[Any, np.dtype[Any]]


def scene(rng: np.random.Generator) -> Array:
    """A blurred picture of twelve bits, 0..4095."""
    return cv2.resize(rng.integers(0, 4096, (6, 9, 3)).astype(np.float32), SIZE[::-1]).astype(np.uint16)


def write_frames(root: Path) -> Path:
    """Twelve-bit images in files of sixteen, and masks of 0 and 255; the object is in every fourth training frame alone.

    val/0 is train/1 once more, a little brighter; val/1 is smaller than a crop.
    """
    rng = np.random.default_rng(0)
    pictures = {f"train/{number}": scene(rng) for number in range(8)}
    pictures |= {"val/0": (pictures["train/1"] * 0.97).astype(np.uint16), "val/1": scene(rng)[:48, :80]}
    for name, picture in pictures.items():
        mask = np.zeros(picture.shape[:2], np.uint8)
        if name in ("train/0", "train/4", "val/0", "val/1"):
            mask[10:30, 20:50] = 255
        for kind, pixels in (("images", picture), ("labels", mask)):
            (root / kind / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(root / kind / f"{name}.png", pixels)
    return root


def run(folder: Path, root: Path, *overrides: str) -> None:
    config = compose_run([f"data.root='{root}'", "trainer.accelerator=cpu", *overrides], folder)
    check_config(config)
    run_task(config)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("own"))


def test_what_the_data_hold_is_said_before_the_training(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Summary] = []
    monkeypatch.setattr("icnet.tasks.train.print_summary", lambda summary: shown.append(summary))
    config = compose_run([f"data.root='{root}'", "data=folder", "data.crop_size=[64,64]", VALUES], tmp_path)
    settle_values(config)
    data = build(config.data)
    data.setup()
    show_data(data)
    background, thing = shown[0].class_rows
    assert (background.frames, thing.frames) == ({"train": 1.0, "val": 1.0}, {"train": 0.25, "val": 1.0})
    assert thing.shares["train"] == pytest.approx(2 * 600 / (8 * 64 * 96))
    assert shown[0].grave == {}
    notes = {kind.title: texts for kind, texts in shown[0].found.items()}
    (near,) = notes["nearly the same frame in two splits"]
    assert f"{root}/images/train/1.png (train) and {root}/images/val/0.png (val)" in near
    (smaller,) = notes["frame smaller than a crop"]
    assert smaller.startswith("1 of 10 frames are smaller than data.crop_size=[64, 64]")
    assert "images/val/1.png is 48x80" in notes["frame of another size"][0]
    assert "use 12 bits" in notes["bits of 16-bit images"][0]
    assert shown[0].weights_advice == (
        "Class weights: loss.class_weights=median_frequency, by median frequency object would weigh 10 times as much as "
        "background"
    )
    print_summary(shown[0], Console(width=160))
    said = capsys.readouterr().out
    assert "train frames %" in said
    assert re.search(r"object +│ +2\.44 │ +12\.\d+ │ +25 │ +100 │", said)


@pytest.mark.parametrize(("form", "read"), [(None, "ids"), ("alpha", "alpha")])
def test_named_values_are_read_in_the_form_that_is_given(form: str | None, read: str, tmp_path: Path) -> None:
    settings = [] if form is None else [f"data.classes.form={form}"]
    config = compose_run(["data=folder", VALUES, *settings], tmp_path)
    check_config(config)
    settle_values(config)
    assert build(config.data.classes).form == build(config.data).classes.form == read


@pytest.mark.parametrize("data", ["camvid", "folder data/classes=voc", "streets"])
def test_any_table_takes_the_form_of_its_label_files(data: str, tmp_path: Path) -> None:
    config = compose_run([*f"data={data}".split(), "data.classes.form=colors"], tmp_path)
    check_config(config)
    assert build(config.data.classes).form == "colors"


def test_named_values_are_no_colours(tmp_path: Path) -> None:
    config = compose_run(["data=folder", VALUES, "data.classes.form=colors"], tmp_path)
    settle_values(config)
    with pytest.raises(ConfigError, match=r"data\.classes\.form=colors reads colours: leave one"):
        build(config.data.classes)


@pytest.mark.slow
def test_a_checkpoint_knows_the_values_and_the_bits_and_predict_reads_images_so(root: Path, tmp_path: Path) -> None:
    own = ("data=folder", VALUES, "data.sampler=rare", "scheduler.warmup_steps=0", "trainer.val_check_interval=2")
    run(tmp_path / "trained", root, *TINY, *own)
    checkpoint = tmp_path / "trained/checkpoints/best.ckpt"
    source = read_source(checkpoint)
    assert source.preprocessing["bit_depth"] == 12
    assert (source.class_table.names, source.class_table.ids) == (("background", "object"), (0, 255))
    source_of = (
        "task=predict",
        f"ckpt='{checkpoint}'",
        f"source='{root}/images/val/1.png'",
        "trainer.precision=32-true",
    )
    run(tmp_path / "run", root, *source_of)
    image = read_image(root / "images/val/1.png", 12)
    label_map = Predictor.from_checkpoint(checkpoint)(image)
    shown = read_image(tmp_path / "run/predictions/1_overlay.png")
    assert np.array_equal(shown, overlay(image, label_map, source.class_table))


def test_a_label_that_no_class_has_stops_the_run_in_one_line(root: Path, tmp_path: Path) -> None:
    classes = ("data.classes.names=[a,b]", "data.classes.colors=[[0,0,0],[1,1,1]]")
    for name, value in (("0", 9), ("1", 11)):
        (tmp_path / "labels/train").mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / f"labels/train/{name}.png", np.full(SIZE, value, np.uint8))
        (tmp_path / "images").mkdir(exist_ok=True)
    for split in ("train", "val"):
        (tmp_path / "images" / split).symlink_to(root / "images" / split)
    (tmp_path / "labels/val").symlink_to(root / "labels/val")
    for number in range(2, 8):
        (tmp_path / f"labels/train/{number}.png").symlink_to(root / f"labels/train/{number}.png")
    with pytest.raises(DataError, match=r"0\.png has label 9 .*; task=prepare names 1 more$"):
        run(tmp_path / "run", tmp_path, *TINY, "data=folder", *classes)


def test_what_unknown_values_mean_is_what_the_line_says(root: Path, tmp_path: Path) -> None:
    for name in ("train/0", "train/1", "val/0"):
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(
            tmp_path / f"labels/{name}.png", np.repeat([[0], [128]], 32, axis=0).repeat(96, axis=1).astype(np.uint8)
        )
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"images/{name}.png").symlink_to(root / f"images/{name}.png")
    classes = ("data.classes.names=[a,b]", "data.classes.colors=[[0,0,0],[1,1,1]]")
    with pytest.raises(
        DataError, match=r"128 is probably b; say data\.values=\{0: a, 128: b\}; task=prepare names 2 more$"
    ):
        run(tmp_path / "run", tmp_path, *TINY, "data=folder", *classes)


def test_values_that_are_no_ids_are_refused_by_name(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.values has \['red'\]"):
        run(tmp_path / "run", root, *TINY, "data=folder", "data.values={red: a, 1: b}")
    with pytest.raises(ConfigError, match=r"data\.sampler is 'common': give rare"):
        run(tmp_path / "again", root, *TINY, "data=folder", VALUES, "data.sampler=common")


def test_the_bits_are_part_of_what_a_pack_is(root: Path, tmp_path: Path) -> None:
    packed = f"data.packed='{tmp_path}/packed'"
    run(tmp_path / "run", root, "task=prepare", "data=folder", VALUES, "task.pack=true", packed)
    head = json.loads((tmp_path / "packed/train/index.jsonl").read_text().splitlines()[0])
    assert head["bit_depth"] == 12
