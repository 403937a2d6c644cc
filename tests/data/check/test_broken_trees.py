"""Broken data sets, each with the line that names what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from icnet.data.check.check import check_data
from icnet.data.check.findings import Kind, by_kind
from icnet.data.check.place import say_place
from icnet.data.check.summary import Summary
from icnet.data.check.values import Form
from icnet.data.division import Division
from icnet.data.images import write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import FolderLayout, ListLayout
from icnet.data.samples import Layout
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)])
LABEL_IDS = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)], label_ids=[7, 26], ignored_ids=range(7))
SMALL_IDS = ClassTable([f"class {i}" for i in range(8)], [(i, i, i) for i in range(8)], range(7, 15), range(7))
RNG = np.random.default_rng(0)


def frame(root: Path, split: str, name: str, label: Any = None) -> None:
    """An image of noise, no two alike, with a label map of halves."""
    if label is None:
        label = np.repeat([[0] * 48 + [1] * 16], 40, axis=0)
    for kind, pixels in (("images", RNG.integers(0, 256, (40, 64, 3))), ("labels", np.asarray(label))):
        path = root / kind / split / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint8))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three training frames and two to validate."""
    for split, names in (("train", "abc"), ("val", "vw")):
        for name in names:
            frame(tmp_path, split, name)
    return tmp_path


def found(layout: Layout, classes: ClassTable | None = CLASSES, deep: bool = False) -> dict[Kind, list[str]]:
    return by_kind(check_data(layout, ["train", "val"], classes, deep=deep).findings)


def colours(*, blended: bool) -> Any:
    """A label map of two colours; blended: after it went through JPEG."""
    pixels = np.zeros((40, 64, 3), np.uint8)
    for row in range(40):
        pixels[row, : 16 + row // 2], pixels[row, 16 + row // 2 :] = (128, 64, 128), (0, 0, 142)
    if blended:
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    return pixels


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def rename_label(root: Path) -> None:
    label = root / "labels/train/b.png"
    Image.open(label).save(label.with_suffix(".jpg"))
    label.unlink()


def spoil_pixels(path: Path) -> None:
    """Change bytes in the middle of a PNG: its header and its end stay whole."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\0" * 40
    path.write_bytes(data)


def repeat(root: Path, name: str) -> None:
    """The frame train/b once more."""
    for kind in ("images", "labels"):
        shutil.copy(root / kind / "train/b.png", root / kind / f"{name}.png")


BROKEN: dict[str, tuple[Callable[[Path], object], Kind, str]] = {
    "missing label": (
        lambda r: (r / "labels/train/b.png").unlink(),
        Kind.MISSING_LABEL,
        "images/train/b.png has no label: expected {root}/labels/train/b.png",
    ),
    "orphaned label": (
        lambda r: (r / "images/train/b.png").unlink(),
        Kind.ORPHAN,
        "labels/train/b.png belongs to no image",
    ),
    "label with a wrong extension": (rename_label, Kind.WRONG_EXTENSION, "labels/train/b.jpg is no PNG"),
    "image with a wrong extension": (
        lambda r: (r / "images/train/b.png").rename(r / "images/train/b.dng"),
        Kind.UNREAD,
        "images/train/b.dng is a camera's raw file, which icnet does not read: convert it to PNG or JPEG",
    ),
    "size mismatch": (
        lambda r: frame(r, "train", "b", np.zeros((40, 63))),
        Kind.SIZE_MISMATCH,
        "images/train/b.png is 40x64 but its label b.png is 40x63",
    ),
    "unknown label id": (
        lambda r: frame(r, "val", "v", np.full((40, 64), 34)),
        Kind.UNKNOWN_LABEL,
        "labels/val/v.png has label 34 (2560 pixels), which no class has (known: 0-1",
    ),
    "unknown colour": (
        lambda r: frame(r, "val", "v", np.full((40, 64, 3), (1, 2, 3))),
        Kind.UNKNOWN_LABEL,
        "labels/val/v.png has the colour (1, 2, 3) (2560 pixels), which no class has",
    ),
    "colours blended by JPEG": (
        lambda r: frame(r, "train", "b", colours(blended=True)),
        Kind.BLENDED,
        "labels/train/b.png holds ",
    ),
    "truncated PNG": (
        lambda r: cut(r / "images/train/b.png"),
        Kind.BROKEN,
        "images/train/b.png is not a readable image (broken or cut off)",
    ),
    "truncated label": (lambda r: cut(r / "labels/val/w.png"), Kind.BROKEN, "labels/val/w.png is not a readable image"),
    "zero-byte image": (
        lambda r: (r / "images/train/b.png").write_bytes(b""),
        Kind.BROKEN,
        "images/train/b.png is empty (0 bytes)",
    ),
    "text for an image": (
        lambda r: (r / "images/train/b.png").write_text("Not found"),
        Kind.BROKEN,
        "images/train/b.png is not a readable image",
    ),
    "link to nowhere": (
        lambda r: (
            (r / "images/train/x.png").symlink_to(r / "gone.png")
            or frame(r, "elsewhere", "x")
            or (r / "labels/elsewhere/x.png").rename(r / "labels/train/x.png")
        ),
        Kind.BROKEN,
        "images/train/x.png cannot be read (No such file or directory)",
    ),
    "empty split": (
        lambda r: [p.unlink() for p in (r / "images/val").iterdir()],
        Kind.NO_SPLIT,
        "images/val names no images",
    ),
    "no validation split": (
        lambda r: shutil.rmtree(r / "images/val"),
        Kind.NO_SPLIT,
        "data.val_fraction=0.2 sets training frames aside",
    ),
    "16-bit labels": (
        lambda r: frame(r, "train", "b", np.full((40, 64), 7000, np.uint16)),
        Kind.UNKNOWN_LABEL,
        "labels/train/b.png holds 7000 (2560 pixels): these look like instance ids (class x 1000 + number)",
    ),
    "the same frame in two splits": (
        lambda r: shutil.copy(r / "images/train/b.png", r / "images/val/v.png"),
        Kind.LEAK,
        "images/train/b.png (train) and {root}/images/val/v.png (val) are the same image",
    ),
    "the same frame many times": (
        lambda r: [repeat(r, name) for name in ("val/v", *(f"train/x{number}" for number in range(6)))],
        Kind.LEAK,
        "train/x1.png (train) and 4 others are the same image",
    ),
    "the same frame twice": (
        lambda r: shutil.copy(r / "images/train/b.png", r / "images/train/a.png"),
        Kind.REPEATED,
        "images/train/a.png and {root}/images/train/b.png are the same image",
    ),
    "a label without a labelled pixel": (
        lambda r: frame(r, "train", "b", np.full((40, 64), 255)),
        Kind.NOTHING_LABELLED,
        "labels/train/b.png ignores every pixel",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_tree_gets_its_line_and_nothing_else_is_said(fault: str, tree: Path) -> None:
    spoil, kind, said = BROKEN[fault]
    spoil(tree)
    lines = found(FolderLayout(tree))
    expected = {kind, Kind.MISSING_LABEL} if kind is Kind.WRONG_EXTENSION else {kind}
    expected |= {Kind.ORPHAN} if fault == "image with a wrong extension" else set()
    assert set(lines) == expected
    assert said.format(root=tree) in lines[kind][0]
    assert all("\n" not in line for line in lines[kind])


def test_a_whole_tree_has_nothing_to_mend_and_no_note(tree: Path) -> None:
    assert found(FolderLayout(tree)) == {}
    assert found(FolderLayout(tree), deep=True) == {}


def test_all_faults_of_a_kind_are_listed(tree: Path) -> None:
    for path in (tree / "labels/train").iterdir():
        path.unlink()
    assert len(found(FolderLayout(tree))[Kind.MISSING_LABEL]) == 3


def test_a_list_with_a_missing_path_is_named_with_its_line(tree: Path) -> None:
    (tree / "train.list").write_text("images/train/a.png labels/train/a.png\nimages/train/x.png labels/train/a.png\n")
    (tree / "val.list").write_text(
        "images/val/v.png labels/val/v.png\nimages/val/w.png\nimages/val/w.png labels/x.png\n"
    )
    lines = found(ListLayout(tree))
    assert set(lines) == {Kind.BAD_LINE, Kind.MISSING_LABEL}
    assert f"train.list, line 2: there is no image {tree}/images/train/x.png" in lines[Kind.BAD_LINE][0]
    assert "val.list, line 2 has 1 entries" in lines[Kind.BAD_LINE][1]
    assert f"expected {tree}/labels/x.png" in lines[Kind.MISSING_LABEL][0]


def test_one_frame_in_two_lists_is_in_two_splits(tree: Path) -> None:
    for split in ("train", "val"):
        (tree / f"{split}.list").write_text("images/train/a.png labels/train/a.png\n")
    assert set(found(ListLayout(tree))) == {Kind.LEAK}


def test_of_many_frames_those_that_are_broken_behind_a_whole_header_are_found_deep_alone(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("icnet.data.check.check.SAMPLE", 2)
    spoil_pixels(tree / "images/train/b.png")
    assert found(FolderLayout(tree)) == {}
    assert "images/train/b.png" in found(FolderLayout(tree), deep=True)[Kind.BROKEN][0]


def test_the_same_pixels_in_another_file_look_the_same_and_are_the_same_deep_alone(tree: Path) -> None:
    Image.open(tree / "images/train/b.png").save(tree / "images/val/v.png", compress_level=0)
    assert set(found(FolderLayout(tree))) == {Kind.NEAR}
    assert set(found(FolderLayout(tree), deep=True)) == {Kind.LEAK}


def test_train_ids_where_label_ids_are_expected_are_recognised(tree: Path) -> None:
    lines = found(FolderLayout(tree), LABEL_IDS)
    assert "hold train ids where label ids are expected" in lines[Kind.WRONG_IDS][0]


def test_small_label_ids_beside_much_void_are_not_taken_for_train_ids(tree: Path) -> None:
    for split, names in (("train", "abc"), ("val", "vw")):
        for name in names:
            frame(tree, split, name, np.repeat([[0] * 40 + [7] * 24], 40, axis=0))
    assert set(found(FolderLayout(tree), SMALL_IDS)) == {Kind.ABSENT_CLASS}


def test_label_ids_are_not_taken_for_train_ids(tree: Path) -> None:
    for split, names in (("train", "abc"), ("val", "vw")):
        for name in names:
            frame(tree, split, name, np.repeat([[7] * 40 + [0] * 14 + [26] * 10], 40, axis=0))
    assert found(FolderLayout(tree), LABEL_IDS) == {}


def test_a_class_that_no_label_holds_is_a_note(tree: Path) -> None:
    lines = found(FolderLayout(tree), ClassTable(["road", "car", "bus"], [(1, 0, 0), (2, 0, 0), (3, 0, 0)]))
    assert lines == {Kind.ABSENT_CLASS: ["no label that was read holds bus"]}
    assert not Kind.ABSENT_CLASS.grave


def test_a_class_that_only_validation_holds_is_a_note(tree: Path) -> None:
    for name in "abc":
        frame(tree, "train", name, np.zeros((40, 64)))
    lines = by_kind(
        check_data(FolderLayout(tree), ["train", "val"], CLASSES, division=Division(["train"], ["val"])).findings
    )
    said = "no label of train that was read holds car, others do, so that a network cannot learn it"
    assert lines == {Kind.ABSENT_CLASS: [said]}


def test_a_label_whose_name_ends_in_capitals_is_told_so(tree: Path) -> None:
    label = tree / "labels/train/b.png"
    label.rename(label.with_suffix(".PNG"))
    (line,) = found(FolderLayout(tree))[Kind.WRONG_EXTENSION]
    assert "b.PNG is not found by that name: let it end in .png" in line


def test_the_frames_are_counted_as_they_are_read(tree: Path) -> None:
    seen: list[tuple[int, int]] = []
    check_data(FolderLayout(tree), ["train", "val"], CLASSES, workers=3, progress=lambda *now: seen.append(now))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_without_deep_an_even_choice_of_labels_is_decoded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icnet.data.check.check.SAMPLE", 2)
    facts = check_data(FolderLayout(tree), ["train", "val"], CLASSES)
    assert [split.labels_read for split in facts.splits] == [2, 2]
    assert [s.labels_read for s in check_data(FolderLayout(tree), ["train", "val"], CLASSES, deep=True).splits] == [
        3,
        2,
    ]


def test_shares_and_weights_can_be_worked_out_by_hand(tree: Path) -> None:
    """Three quarters road, one quarter car: the median of the shares is 1/2."""
    summary = Summary("x", "y", check_data(FolderLayout(tree), ["train", "val"], CLASSES), ("train",))
    road, car = summary.class_rows
    assert (road.shares["train"], car.shares["val"]) == (0.75, 0.25)
    assert road.median_frequency == pytest.approx(0.5 / 0.75)
    assert car.log == pytest.approx(1 / np.log(1.02 + 0.25))
    assert [(r.value, r.meaning, r.pixels) for r in summary.value_rows] == [("0", "road", 9600), ("1", "car", 3200)]


def test_colours_count_like_ids(tree: Path) -> None:
    for split, names in (("train", "abc"), ("val", "vw")):
        for name in names:
            frame(tree, split, name, colours(blended=False))
    facts = check_data(FolderLayout(tree), ["train", "val"], CLASSES)
    assert facts.findings == []
    summary = Summary("x", "y", facts, ("train",))
    assert sum(row.shares["train"] for row in summary.class_rows) == pytest.approx(1)
    assert {row.form for row in summary.value_rows} == {Form.COLOURS}


def test_nothing_is_written_beside_the_originals(tree: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    check_data(FolderLayout(tree), ["train", "val"], CLASSES, deep=True)
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


@pytest.mark.parametrize(
    ("layout", "root", "said"),
    [
        (FolderLayout, "..", "it lies in {root}: set data.root={root}"),
        (FolderLayout, "../..", "it lies in {root}: set data.root={root}"),
        (FolderLayout, "images", "it lies in {root}: set data.root={root}"),
        (FolderLayout, "images/train", "it lies in {root}: set data.root={root}"),
        (FolderLayout, "nowhere", "there is no folder"),
    ],
)
def test_the_right_root_is_named_where_it_is_near(layout: Any, root: str, said: str, tmp_path: Path) -> None:
    tree = tmp_path / "deep" / "mine"
    frame(tree, "train", "a")
    place = (tree / root).resolve()
    with pytest.raises(DataError) as caught:
        check_data(layout(place), ["train", "val"], CLASSES)
    assert said.format(root=tree) in str(say_place(caught.value, layout, place, ["train", "val"]))


def test_a_drive_on_both_sides_of_a_division_is_noted_with_what_judges_another(tmp_path: Path) -> None:
    for split, names in (("train", ["a_1", "a_2", "b_1", "b_2"]), ("val", ["b_3", "b_4", "a_3", "c_1", "c_2", "c_3"])):
        for name in names:
            frame(tmp_path, split, name)
    division = Division(["train"], ["val"])
    facts = check_data(FolderLayout(tmp_path), ["train", "val"], CLASSES, division=division)
    (line,) = by_kind(facts.findings)[Kind.SHARED_GROUP]
    assert "3 of 6 validation frames are of a group that trains, too (b (2), a (1); " in line
    assert "there are b (4), a (3), c (3)" in line
    assert facts.group == r"^.+(?=[_-]\d+$)"


def test_drives_that_are_apart_are_no_finding(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(3):
            frame(tmp_path, split, f"{split}_{number}")
    division = Division(["train", "val"], [], group="^[^_]+", holdout=["val"])
    facts = check_data(FolderLayout(tmp_path), ["train", "val"], CLASSES, division=division)
    assert Kind.SHARED_GROUP not in by_kind(facts.findings)
