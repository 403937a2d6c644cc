"""task=prepare from the configuration to what it leaves: tables, pages, lists, labels, packs, a data set by name."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.conftest import TINY, compose_run

import icnet
from icnet.cli import run_task
from icnet.config import check_config
from icnet.data.images import read_image, read_raw_label, write_image
from icnet.data.layouts import CityscapesLayout, ListLayout
from icnet.data.samples import Sample
from icnet.errors import ConfigError, DataError, Interrupted
from icnet.signals import interruptible
from icnet.tasks.prepare import propose
from icnet.tasks.prepare.convert import write_lists

ROOT = Path(__file__).parents[2]
CLASSES = ("data.classes.names=[road,grass]", "data.classes.colors=[[255,0,0],[0,255,0]]")

Prepare = Callable[..., Path]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Run the task in this process: prepare("data=folder", root) -> folder of the run."""

    def run(*overrides: str, root: Path, folder: str = "run") -> Path:
        config = compose_run(["task=prepare", f"data.root='{root}'", *overrides], tmp_path / folder)
        check_config(config)
        run_task(config)
        return tmp_path / folder

    return run


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Eight training frames of 64x96 with labels of two colours, three quarters red; no validation split."""
    root = tmp_path / "mine <data>"
    rng = np.random.default_rng(0)
    label = np.zeros((64, 96, 3), np.uint8)
    label[:, :72], label[:, 72:] = (255, 0, 0), (0, 255, 0)
    for kind in ("images", "labels"):
        (root / kind / "train").mkdir(parents=True)
    for number in range(8):
        write_image(root / f"images/train/{number}.png", rng.integers(0, 256, (64, 96, 3), np.uint8))
        write_image(root / f"labels/train/{number}.png", label)
    return root


def cityscapes(root: Path, *, labels: bool) -> Path:
    """Two frames of 40x80 in each split, as polygons alone or with their label maps."""
    rng = np.random.default_rng(0)
    road = {"label": "road", "polygon": [[0, 20], [79, 20], [79, 39], [0, 39]]}
    for split in ("train", "val"):
        for name in ("bonn_0", "bonn_1"):
            image = root / f"leftImg8bit/{split}/bonn/{name}_leftImg8bit.png"
            polygons = root / f"gtFine/{split}/bonn/{name}_gtFine_polygons.json"
            for path in (image, polygons):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_image(image, rng.integers(0, 256, (40, 80, 3), np.uint8))
            polygons.write_text(json.dumps({"imgHeight": 40, "imgWidth": 80, "objects": [road]}))
            if labels:
                label = np.repeat([[0], [7]], 20, axis=0).repeat(80, axis=1).astype(np.uint8)
                write_image(polygons.with_name(f"{name}_gtFine_labelIds.png"), label)
    return root


def test_a_whole_data_set_leaves_its_numbers_and_its_page(prepare: Prepare, streets: Path) -> None:
    folder = prepare("data.prepare=null", root=streets)
    results = json.loads((folder / "results.json").read_text())
    assert results["task"] == "prepare"
    assert results["metrics"]["pairs"] == {"train": 6, "val": 3}
    assert results["metrics"]["to_mend"] == {}
    assert sum(shares["train"] for shares in results["metrics"]["shares"].values()) == pytest.approx(1)
    found = json.loads((folder / "prepare.json").read_text())
    assert found["splits"]["train"]["sizes"] == {"64x128": 6}
    page = (folder / "report.html").read_text()
    assert "Ready to train." in page
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', page) == []


def test_a_broken_one_says_what_to_mend_writes_its_page_and_nothing_else(
    prepare: Prepare, mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "labels/train/3.png").unlink()
    (mine / "images/train/5.png").write_bytes(b"")
    before = sorted(mine.rglob("*"))
    with pytest.raises(DataError, match=r"2 to mend \(image without label, broken file\).*report\.html"):
        prepare("data=folder", *CLASSES, "data.val_fraction=0.2", "task.pack=true", root=mine)
    assert sorted(mine.rglob("*")) == before
    said = capsys.readouterr().out
    assert "images/train/3.png has no label" in said
    assert "images/train/5.png is empty (0 bytes)" in said
    page = (tmp_path / "run/report.html").read_text()
    assert "Before training, mend: image without label, broken file." in page
    assert "mine &lt;data&gt;/images/train/3.png has no label" in page
    assert json.loads((tmp_path / "run/results.json").read_text())["metrics"]["to_mend"] == {
        "image without label": 1,
        "broken file": 1,
    }


def test_classes_that_nobody_named_are_proposed_and_not_written(prepare: Prepare, mine: Path) -> None:
    (mine / "label_colors.txt").write_text("255 0 0 road\n0 255 0 grass\n")
    folder = prepare("data=folder", root=mine)
    results = json.loads((folder / "results.json").read_text())
    assert results["protocol"]["classes"]["names"] == ["road", "grass"]
    assert results["metrics"]["shares"] == {"road": {"train": 0.75}, "grass": {"train": 0.25}}
    assert "conf/data/mine.yaml" in (folder / "report.html").read_text()
    assert not (ROOT / "conf/data/mine.yaml").exists()


def test_a_proposal_is_written_where_the_configuration_is_and_never_over_another(
    prepare: Prepare, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propose, "config_folders", lambda: [tmp_path / "conf"])
    prepare("data=folder", "task.save_as=own", root=mine)
    written = yaml.safe_load((tmp_path / "conf/data/own.yaml").read_text())
    assert (written["root"], written["crop_size"], written["val_fraction"]) == (str(mine), [64, 96], 0.2)
    assert written["group"] is None
    with pytest.raises(ConfigError, match=r"own\.yaml is there already"):
        prepare("data=folder", "task.save_as=own", root=mine, folder="again")
    with pytest.raises(ConfigError, match="letters, digits"):
        prepare("data=folder", "task.save_as=a/b", root=mine, folder="again")


def test_a_proposal_keeps_what_was_chosen_for_the_data(
    prepare: Prepare, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six of the eight frames train, so that no more than six make a batch."""
    monkeypatch.setattr(propose, "config_folders", lambda: [tmp_path / "conf"])
    chosen = ("data.crop_size=[64,64]", "data.batch_size=16", "task.pack=true", f"data.packed='{tmp_path}/fast'")
    prepare("data=folder", *chosen, "task.save_as=own", root=mine)
    written = yaml.safe_load((tmp_path / "conf/data/own.yaml").read_text())
    assert (written["crop_size"], written["packed"], written["batch_size"]) == ([64, 64], f"{tmp_path}/fast", 6)
    assert (tmp_path / "fast/train/index.jsonl").is_file()


def test_a_table_of_ones_own_that_is_based_on_another_is_read(
    prepare: Prepare, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies in another folder than the one it is based on; a file that is no table is passed over."""
    tables = tmp_path / "conf/data/classes"
    tables.mkdir(parents=True)
    (tables / "own.yaml").write_text("defaults: [camvid, _self_]\nnames: [a, b]\ncolors: [[255,0,0],[0,255,0]]\n")
    (tables / "odd.yaml").write_text("- 1\n")
    monkeypatch.setattr(propose, "config_folders", lambda: [ROOT / "conf", tmp_path / "conf"])
    folder = prepare("data=folder", root=mine)
    found = json.loads((folder / "prepare.json").read_text())
    assert found["notes"]["other classes fit"] == ["data/classes=own gives every value a meaning"]


def test_classes_are_proposed_from_every_label(
    prepare: Prepare, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rare class may be in one file alone."""
    monkeypatch.setattr("icnet.data.check.check.SAMPLE", 2)
    rare = read_image(mine / "labels/train/4.png")
    rare[:4, :4] = (0, 0, 255)
    write_image(mine / "labels/train/4.png", rare)
    folder = prepare("data=folder", root=mine)
    assert len(json.loads((folder / "results.json").read_text())["protocol"]["classes"]["names"]) == 3


def test_what_a_proposal_ignores_is_said(prepare: Prepare, mine: Path) -> None:
    label = read_image(mine / "labels/train/4.png")
    label[:4, :4] = 0
    write_image(mine / "labels/train/4.png", label)
    folder = prepare("data=folder", root=mine)
    assert (
        "Of no class in the proposal, and ignored: (0, 0, 0)"
        in json.loads((folder / "prepare.json").read_text())["advice"]
    )


def test_a_copy_of_a_frame_that_validates_must_be_mended(prepare: Prepare, mine: Path) -> None:
    """Of eight equal frames some train and some validate, whatever the draw."""
    for number in range(1, 8):
        shutil.copy(mine / "images/train/0.png", mine / f"images/train/{number}.png")
    with pytest.raises(DataError, match="same frame in two splits"):
        prepare("data=folder", *CLASSES, "data.val_fraction=0.3", root=mine)


def test_a_test_split_is_looked_at_where_there_is_one(prepare: Prepare, mine: Path, tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (mine / kind / "test").mkdir()
        shutil.copy(mine / kind / "train/0.png", mine / kind / "test/other.png")
    with pytest.raises(DataError, match="same frame in two splits"):
        prepare("data=folder", *CLASSES, "data.val_fraction=0.3", root=mine)
    assert json.loads((tmp_path / "run/results.json").read_text())["metrics"]["pairs"] == {"train": 8, "test": 1}


def test_what_was_found_is_written_though_a_later_step_fails(prepare: Prepare, mine: Path, tmp_path: Path) -> None:
    (mine / "train.list").write_text("mine\n")
    for label in (mine / "labels/train").iterdir():
        write_image(label, np.zeros((64, 96), np.uint8))
    with pytest.raises(DataError, match=r"train\.list is there"):
        prepare("data=folder", "data/classes=camvid", "data.val_fraction=0.2", "task.lists=true", root=mine)
    assert (tmp_path / "run/report.html").is_file()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_its_own_status(
    prepare: Prepare, mine: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    monkeypatch.setattr("icnet.tasks.prepare.examine.check_data", lambda *args, **kwargs: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted) as stop, interruptible():
        prepare("data=folder", *CLASSES, "data.val_fraction=0.2", root=mine)
    assert stop.value.status == status


def test_an_installed_icnet_writes_beside_the_user_and_not_into_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = Path(icnet.__file__).parent / "conf"
    monkeypatch.setattr(propose, "config_folders", lambda: [packaged])
    assert propose.training_command("data=a") == "icnet data=a"
    (tmp_path / "conf").mkdir()
    assert propose.training_command("data=a b") == f"icnet --config-dir {tmp_path}/conf 'data=a b'"


def test_palettes_that_fit_are_named(prepare: Prepare, tmp_path: Path) -> None:
    table = yaml.safe_load((ROOT / "conf/data/classes/camvid.yaml").read_text())
    for kind in ("images", "labels"):
        (tmp_path / "d" / kind / "train").mkdir(parents=True)
    write_image(tmp_path / "d/images/train/a.png", np.random.default_rng(0).integers(0, 256, (32, 33, 3), np.uint8))
    write_image(
        tmp_path / "d/labels/train/a.png", np.repeat([np.repeat(table["colors"], 3, 0)], 32, 0).astype(np.uint8)
    )
    folder = prepare("data=folder", root=tmp_path / "d")
    found = json.loads((folder / "prepare.json").read_text())
    assert found["notes"]["other classes fit"] == ["data/classes=camvid gives every value a meaning"]


def test_polygons_become_label_maps_on_request_alone(prepare: Prepare, tmp_path: Path) -> None:
    root = cityscapes(tmp_path / "cs", labels=False)
    with pytest.raises(DataError, match=r"4 to mend \(image without label\)"):
        prepare("data=cityscapes", root=root)
    advice = json.loads((tmp_path / "run/prepare.json").read_text())["advice"]
    assert "4 of the missing labels can be drawn from polygons: add task.labels=true" in advice
    prepare("data=cityscapes", "task.labels=true", root=root, folder="again")
    label = read_raw_label(CityscapesLayout(root).samples("val")[0].label)
    assert (label[:20].max(), label[20:].min()) == (0, 7)


def test_lists_in_the_form_of_paddlepaddle_name_the_same_frames(prepare: Prepare, tmp_path: Path) -> None:
    root = cityscapes(tmp_path / "cs", labels=True)
    prepare("data=cityscapes", "task.lists=true", root=root)
    assert (root / "train.list").read_text().splitlines()[0] == (
        "leftImg8bit/train/bonn/bonn_0_leftImg8bit.png gtFine/train/bonn/bonn_0_gtFine_labelIds.png"
    )
    for split in ("train", "val"):
        assert ListLayout(root).samples(split) == CityscapesLayout(root).samples(split)
    (root / "val.list").write_text("mine\n")
    (root / "train.list").unlink()
    with pytest.raises(DataError, match=r"val\.list is there and holds other lines"):
        prepare("data=cityscapes", "task.lists=true", root=root, folder="again")
    assert (root / "val.list").read_text() == "mine\n"
    assert not (root / "train.list").exists()


def test_lists_name_train_ids_where_they_are_drawn(tmp_path: Path) -> None:
    """PaddlePaddle's reader takes what the file holds for the class."""
    root = cityscapes(tmp_path / "cs", labels=True)
    samples = CityscapesLayout(root).samples("train")
    assert len(list(write_lists(root, samples, []))) == 1, "says what to do for them"
    (root / "train.list").unlink()
    for _, label in samples:
        shutil.copy(label, label.with_name(label.name.replace("labelIds", "labelTrainIds")))
    assert list(write_lists(root, samples, [])) == []
    assert all(line.endswith("_labelTrainIds.png") for line in (root / "train.list").read_text().splitlines())


def test_a_list_has_tabs_where_a_path_has_spaces(tmp_path: Path) -> None:
    (tmp_path / "my image.png").touch()
    (tmp_path / "label.png").touch()
    sample = Sample(tmp_path / "my image.png", tmp_path / "label.png")
    assert list(write_lists(tmp_path, [sample], [sample])) == []
    assert (tmp_path / "train.list").read_text() == "my image.png\tlabel.png\n"
    assert ListLayout(tmp_path).samples("val") == [sample]


def test_originals_of_camvid_are_recognised_converted_and_checked(prepare: Prepare, tmp_path: Path) -> None:
    root = tmp_path / "original"
    for folder, end in (("701_StillsRaw_full", ""), ("LabeledApproved_full", "_L")):
        (root / folder).mkdir(parents=True)
        for number, name in enumerate(("0006R0_f00930", "0016E5_07959")):
            pixels = np.full((720, 960, 3), (128, 64, 128) if end else number, np.uint8)
            write_image(root / folder / f"{name}{end}.png", pixels)
    with pytest.raises(DataError, match=r"holds CamVid as its authors publish it.*task\.convert=DIR"):
        prepare("data=camvid", root=root)
    folder = prepare("data=camvid", f"task.convert={tmp_path}/camvid", "task.half=true", root=root, folder="again")
    found = json.loads((folder / "prepare.json").read_text())
    assert {name: split["sizes"] for name, split in found["splits"].items()} == {
        "train": {"360x480": 1},
        "val": {"360x480": 1},
    }
    assert found["advice"][-1].endswith(f"data.root={tmp_path}/camvid")


def test_packs_are_written_for_every_split(prepare: Prepare, tmp_path: Path) -> None:
    root = cityscapes(tmp_path / "cs", labels=True)
    folder = prepare("data=cityscapes", "task.pack=true", f"data.packed={tmp_path}/packed", root=root)
    assert sorted(p.name for p in (tmp_path / "packed").iterdir()) == ["train", "val"]
    advice = json.loads((folder / "prepare.json").read_text())["advice"]
    assert advice[0].startswith(f"Packed 2 frames in {tmp_path}/packed/train")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("data=imagenet",), "data=imagenet has none"),
        (("data=list", "task.lists=true"), "read from lists already"),
        (("data=folder", "task.compress=true"), "task.compress=true says how, but task.pack is not given"),
        (("data=folder", "task.half=true"), "task.half=true says how, but task.convert is not given"),
        (("data=folder", "task.lists=true"), "needs named classes"),
        (("data=camvid", "task.pack=true", "data.packed=null"), r"data\.packed is null"),
        (("data=camvid", "task.convert=x"), "holds no originals of CamVid"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    overrides: tuple[str, ...], said: str, prepare: Prepare, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=said):
        prepare(*overrides, root=tmp_path)


def test_the_experiment_of_kitti_reads_the_frames_of_one_kind_of_road(tmp_path: Path) -> None:
    """um has 95 frames: those of the TensorFlow version."""
    for kind, count in (("um", 5), ("umm", 3), ("uu", 3)):
        for number in range(count):
            for folder, name in (("image_2", f"{kind}_{number:06d}"), ("gt_image_2", f"{kind}_road_{number:06d}")):
                path = tmp_path / "training" / folder / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                label = np.repeat([[(255, 0, 0)] * 30 + [(255, 0, 255)] * 30 + [(0, 0, 0)] * 4], 40, 0)
                noise = np.random.default_rng(abs(hash(name))).integers(0, 256, (40, 64, 3))
                write_image(path, (noise if folder == "image_2" else label).astype(np.uint8))
    config = compose_run(["experiment=icnet_kitti", "task=prepare", f"data.root={tmp_path}"], tmp_path / "run")
    run_task(config)
    found = json.loads((tmp_path / "run/prepare.json").read_text())
    assert found["splits"]["train"]["pairs"] == 5
    assert {row["value"]: row["meaning"] for row in found["values"]} == {
        "(255, 0, 0)": "not road",
        "(255, 0, 255)": "road",
        "(0, 0, 0)": "ignored",
    }
    assert found["must_mend"] == {}


@pytest.mark.slow
def test_the_command_that_is_printed_for_a_proposal_trains(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    run = [sys.executable, str(ROOT / "run.py")]
    settings = ["task=prepare", "data=folder", f"data.root='{mine}'", "task.save_as=own"]
    done = subprocess.run([*run, "--config-dir", "conf", *settings], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command = next(line for line in done.stdout.splitlines() if line.startswith("Train: ")).removeprefix("Train: ")
    assert shlex.split(command)[:2] == ["python", "run.py"]
    tiny = [*TINY, "scheduler.warmup_steps=0", "trainer.val_check_interval=2", "hydra.run.dir=out"]
    done = subprocess.run(
        [*run, *shlex.split(command)[2:], *tiny], cwd=tmp_path, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/results.json").read_text())["protocol"]["classes"]["names"][0] == "color_ff0000"
