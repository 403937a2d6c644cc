"""task=prepare data=auto, from what was downloaded to data=NAME."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.conftest import PLAIN, TINY, compose_run
from tests.data.formats import trees

from icnet.cli import run_task
from icnet.config import check_config
from icnet.data.images import write_image
from icnet.data.layouts import FolderLayout
from icnet.errors import ConfigError, DataError
from icnet.tasks.prepare import propose
from icnet.tasks.prepare.recognise import find

Prepare = Callable[..., Path]

ROOT = Path(__file__).parents[2]
CLASSES = ["background", "road", "car"]
LABELME = "JSON files with shapes and an imagePath"

# What is written; the choice that it is taken for
TREES: dict[str, tuple[trees.Tree, str]] = {
    "coco": (trees.coco, "coco"),
    "coco of roboflow": (trees.coco_of_roboflow, "coco"),
    "cvat": (trees.cvat, "cvat"),
    "cvat's masks": (trees.cvat_masks, "voc"),
    "labelme": (trees.labelme, "labelme"),
    "labelstudio": (trees.labelstudio, "labelstudio"),
    "supervisely": (trees.supervisely, "supervisely"),
    "roboflow": (trees.roboflow, "roboflow"),
    "voc": (trees.voc, "voc"),
    "masks": (trees.masks, "masks"),
    "ade20k": (trees.ADE20K, "ade20k"),
    "coco_stuff": (trees.COCO_STUFF, "coco_stuff"),
    "mapillary": (trees.MAPILLARY, "mapillary"),
    "bdd100k": (trees.BDD100K, "bdd100k"),
}


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Run the task in this process, with tmp_path/conf for proposals: prepare(root, "task.save_as=mine") -> its folder."""
    monkeypatch.setattr(propose, "_own_folder", lambda: tmp_path / "conf")

    def run(root: Path, *overrides: str, folder: str = "run") -> Path:
        config = compose_run(["task=prepare", "data=auto", f"data.root='{root}'", *overrides], tmp_path / folder)
        check_config(config)
        run_task(config)
        return tmp_path / folder

    return run


@pytest.fixture
def composed(tmp_path: Path) -> None:
    """Where the configuration lies is asked of Hydra."""
    compose_run([], tmp_path / "none")


@pytest.mark.usefixtures("composed")
@pytest.mark.parametrize("name", TREES)
def test_what_a_tool_writes_is_recognised_also_within_other_folders(name: str, tmp_path: Path) -> None:
    make, choice = TREES[name]
    place = tmp_path / "data/downloads/project"
    place.mkdir(parents=True)
    make(place)
    found = find(tmp_path / "data")
    assert found.choice.name == choice
    assert len(found.layout.survey("train").samples) >= len(trees.TRAIN)


@pytest.mark.usefixtures("composed")
def test_images_and_labels_in_folders_are_no_longer_camvid_than_a_table_says_so(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        trees.photo(tmp_path / kind / "train/a.png")
    found = find(tmp_path)
    assert (found.choice.name, found.layout) == ("folder", FolderLayout(tmp_path))


@pytest.mark.usefixtures("composed")
def test_where_two_fit_both_are_named_and_where_none_does_what_each_lacks(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"for data=coco it lacks a JSON file .*; for data=voc it lacks ImageSets"
    ) as none:
        find(tmp_path / "empty")
    assert "\n" not in str(none.value)
    (tmp_path / "both").mkdir()
    trees.labelme(tmp_path / "both")
    trees.cvat(tmp_path / "both")
    with pytest.raises(
        DataError, match=r"may be data=cvat \(it has an annotations\.xml.*\) or data=labelme .*choose one"
    ):
        find(tmp_path / "both")
    shutil.make_archive(str(tmp_path / "empty/export"), "zip", tmp_path / "both")
    with pytest.raises(
        DataError,
        match=r"\(export\.zip\) holds nothing that is read: data\.root=.*/export\.zip reads that",
    ):
        find(tmp_path / "empty")


def test_an_export_is_unpacked_understood_pictured_and_written_by_name(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tree").mkdir()
    trees.cvat(tmp_path / "tree")
    shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path / "tree")
    folder = prepare(tmp_path / "export.zip", "task.save_as=mine")
    found = json.loads((folder / "prepare.json").read_text())
    assert found["advice"][:2] == [
        f"{tmp_path}/export.zip is unpacked in {tmp_path}/export",
        f"{tmp_path}/export was taken for data=cvat: it has an annotations.xml of CVAT for images",
    ]
    shares = {row["name"]: row["shares"]["train"] for row in found["class_rows"]}
    assert shares == pytest.approx({"background": 2560 / 6144, "road": 2560 / 6144, "car": 1024 / 6144})
    written = yaml.safe_load((tmp_path / "conf/data/mine.yaml").read_text())
    assert written["layout"] == {"_target_": "icnet.data.formats.cvat.Cvat", "labels": {"road": 1, "car": 2}}
    assert (written["root"], written["val_fraction"]) == (str(tmp_path / "export"), 0.2)
    assert (folder / "report.html").read_text().count('alt="Labels of ') == 4


def test_a_file_of_roboflow_names_the_classes_also_where_its_folder_is_given(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    trees.roboflow(tmp_path / "d")
    for name, root in (("whole", tmp_path / "d"), ("part", tmp_path / "d/train")):
        prepare(root, f"task.save_as={name}", folder=name)
        assert yaml.safe_load((tmp_path / f"conf/data/classes/{name}.yaml").read_text())["names"] == CLASSES
    found = json.loads((tmp_path / "whole/prepare.json").read_text())
    assert set(found["notes"]) == {"label of another name"}


def test_slivers_between_polygons_are_no_class(prepare: Prepare, tmp_path: Path) -> None:
    """One row of 64 lies under no shape."""
    trees.photo(tmp_path / "d/a.jpg")
    trees.photo(tmp_path / "d/b.jpg")
    halves = [[(0, 0), (96, 0), (96, 32), (0, 32)], [(0, 33), (96, 33), (96, 64), (0, 64)]]
    shapes = [{"label": label, "points": points} for label, points in zip(("sky", "road"), halves, strict=True)]
    for name in ("a", "b"):
        trees.dump(tmp_path / f"d/{name}.json", trees.labelme_content(f"{name}.jpg", shapes))
    prepare(tmp_path / "d", "task.save_as=mine", "data.val_fraction=0.5")
    table = yaml.safe_load((tmp_path / "conf/data/classes/mine.yaml").read_text())
    assert (table["names"], table["label_ids"], table["ignored_ids"]) == (["road", "sky"], [1, 2], [0])


def test_published_data_come_with_their_classes(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    trees.ADE20K(tmp_path / "d")
    folder = prepare(tmp_path / "d")
    results = json.loads((folder / "results.json").read_text())
    shares = {name: share["train"] for name, share in results["metrics"]["shares"].items() if share["train"]}
    assert shares == pytest.approx({"road": 2560 / 3584, "car": 1024 / 3584})
    assert (
        json.loads((folder / "prepare.json").read_text())["advice"][-1]
        == f"Train: icnet data=ade20k data.root={tmp_path}/d"
    )


def test_training_says_that_data_must_be_recognised_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data=auto does not say where the frames lie: task=prepare data=auto"):
        check_config(compose_run(["data=auto"], tmp_path))


@pytest.mark.parametrize(
    ("given", "make", "choice"), [("folder", "cvat", "cvat"), ("cityscapes", "coco of roboflow", "coco")]
)
def test_another_choice_that_reads_the_folder_is_named(given: str, make: str, choice: str, tmp_path: Path) -> None:
    TREES[make][0](tmp_path)
    with pytest.raises(DataError, match=f"is what data={choice} reads: it has"):
        run_task(compose_run(["task=prepare", f"data={given}", f"data.root={tmp_path}"], tmp_path / "run"))


def test_files_of_a_tool_beside_images_without_labels_are_taken_for_what_they_are(tmp_path: Path) -> None:
    trees.dump(tmp_path / "images/train/a.json", trees.labelme_content(trees.photo(tmp_path / "images/train/a.jpg")))
    with pytest.raises(DataError, match="image without label"):
        run_task(compose_run(["task=prepare", "data=folder", f"data.root={tmp_path}"], tmp_path / "run"))
    found = json.loads((tmp_path / "run/prepare.json").read_text())
    assert found["notes"]["other data= fits"] == [f"{tmp_path} is what data=labelme reads: it has {LABELME}"]


def prepare_swapped(root: Path, suffix: str) -> list[str]:
    """What task=prepare says of photographs in labels/ and label maps in images/."""
    (root / "images/train").mkdir(parents=True)
    for name in trees.TRAIN:
        trees.photo(root / f"labels/train/{name}{suffix}")
        write_image(root / f"images/train/{name}.png", trees.expected())
    with pytest.raises(DataError, match="images and labels swapped"):
        run_task(compose_run(["task=prepare", "data=folder", f"data.root={root}"], root / "run"))
    said: list[str] = json.loads((root / "run/prepare.json").read_text())["must_mend"]["images and labels swapped"]
    return said


def test_folders_that_were_swapped_are_named(tmp_path: Path) -> None:
    (said,) = prepare_swapped(tmp_path, ".png")
    assert "labels/train/a_000.png looks like a photograph" in said
    assert "images/train/a_000.png has 3 colours alone: swap the folders" in said


def test_folders_that_were_swapped_are_named_also_where_their_files_do_not_fit(tmp_path: Path) -> None:
    """Photographs are JPEG, so that no label is found for any of the masks."""
    assert prepare_swapped(tmp_path, ".jpg")


def test_points_are_told_to_be_no_areas(prepare: Prepare, tmp_path: Path) -> None:
    point = trees.cvat_shape("points", "car", points="5,5")
    images = {trees.photo(tmp_path / f"d/images/{name}.jpg"): [point] for name in "ab"}
    trees.cvat_file(tmp_path / "d/annotations.xml", images)
    with pytest.raises(DataError, match="no classes can be proposed"):
        prepare(tmp_path / "d")
    found = json.loads((tmp_path / "run/prepare.json").read_text())
    (said,) = found["must_mend"]["no classes can be proposed"]
    assert said.startswith(f"{tmp_path}/d/annotations.xml has no areas of two classes, background included: draw")
    assert "no areas: points (2)" in found["notes"]["said of the annotations"][0]


def test_labels_of_one_value_alone_are_named_and_up_to_ten_faults_are_shown(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        trees.photo(tmp_path / f"d/images/{number:02}.jpg")
        (tmp_path / "d/masks").mkdir(exist_ok=True)
        write_image(tmp_path / f"d/masks/{number:02}.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match="no classes can be proposed"):
        prepare(tmp_path / "d")
    shown = capsys.readouterr().out
    assert f"{tmp_path}/d/masks/00.png: this label file and the others hold 0 alone" in shown
    assert shown.count("mend label of another size: ") == 9
    assert shown.count("mend label of another size (and 2 more): ") == 1


def test_classes_of_lists_are_proposed_and_not_taken_for_those_of_cityscapes(prepare: Prepare, tmp_path: Path) -> None:
    """The form of the authors' lists: paths that begin with a slash and lie below root."""
    lines = []
    for name in trees.ALL:
        trees.photo(tmp_path / f"d/frames/{name}.jpg")
        write_image(tmp_path / f"d/frames/{name}.png", trees.expected())
        lines.append(f"/frames/{name}.jpg /frames/{name}.png\n")
    for split, part in (("train", lines[:4]), ("val", lines[4:])):
        (tmp_path / f"d/{split}.list").write_text("".join(part))
    (tmp_path / "d/classes.txt").write_text("background\nroad\ncar\n")
    prepare(tmp_path / "d", "task.save_as=mine")
    assert yaml.safe_load((tmp_path / "conf/data/classes/mine.yaml").read_text())["names"] == [
        "background",
        "road",
        "car",
    ]
    layout = yaml.safe_load((tmp_path / "conf/data/mine.yaml").read_text())["layout"]
    assert layout == {"_target_": "icnet.data.layouts.ListLayout"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_what_a_tool_writes_trains_and_is_judged(name: str, prepare: Prepare, tmp_path: Path) -> None:
    """Ten steps of a tiny network, from the folder as it was downloaded to its report.

    Training judges its best checkpoint; where there are few classes, which costs little, task=evaluate does so again.
    """
    make, choice = TREES[name]
    (tmp_path / "d").mkdir()
    make(tmp_path / "d")
    known = choice in ("ade20k", "coco_stuff", "mapillary", "bdd100k")
    prepare(tmp_path / "d", *([] if known else ["task.save_as=mine"]), "data.batch_size=2", folder="prepared")
    data = (
        [f"data={choice}", f"data.root={tmp_path}/d"] if known else ["data=mine", f"hydra.searchpath=[{tmp_path}/conf]"]
    )
    train = [*TINY, "data.crop_size=[64,64]", "trainer.max_steps=10", "trainer.val_check_interval=10"]
    run_task(compose_run([*train, *data], tmp_path / "trained"))
    judged = tmp_path / ("trained" if known else "judged")
    if not known:
        judge = ["task=evaluate", f"ckpt={tmp_path}/trained/checkpoints/best.ckpt", "task.exits=false"]
        run_task(compose_run([*judge, *PLAIN[1:], *data], judged))
    results = json.loads((judged / "results.json").read_text())
    assert 0 <= results["metrics"]["miou"] <= 1
    assert {"road", "car"} <= {n.lower() for n, iou in results["metrics"]["iou"].items() if iou is not None}
    assert (judged / "report.html").is_file()


@pytest.mark.slow
def test_an_export_of_cvat_gets_from_zip_to_report_with_two_commands(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "conf").mkdir()
    trees.cvat(tmp_path / "tree")
    shutil.make_archive(str(tmp_path / "export"), "zip", tmp_path / "tree")
    run = [sys.executable, str(ROOT / "run.py"), "--config-dir", "conf"]
    first = ["task=prepare", "data=auto", "data.root=export.zip", "task.save_as=mine", "data.batch_size=2"]
    second = ["data=mine", *TINY, "data.crop_size=[64,64]", "trainer.val_check_interval=2", "hydra.run.dir=out"]
    for settings in (first, second):
        done = subprocess.run([*run, *settings], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/report.html").is_file()
    assert json.loads((tmp_path / "out/results.json").read_text())["protocol"]["classes"]["names"] == CLASSES
