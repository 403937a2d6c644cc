from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icnet.data.images import read_label, read_pair, write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import CityscapesLayout, FolderLayout, KittiRoadLayout, ListLayout
from icnet.data.samples import Layout, MissingLabel
from icnet.data.sources import find_pictures
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)])
KITTI = ClassTable(["road", "other"], [(255, 0, 255), (255, 0, 0)])


def touch(root: Path, *names: str) -> None:
    """Empty files: a layout looks at names alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def pairs(layout: Layout, split: str) -> list[tuple[str, str]]:
    """Image and label of every sample, relative to the root."""
    return [
        (s.image.relative_to(layout.root).as_posix(), s.label.relative_to(layout.root).as_posix())
        for s in layout.samples(split)
    ]


def cityscapes(*names: str, split: str = "val", kind: str = "gtFine", ids: str = "labelIds") -> list[str]:
    """Names of the files of frames such as "bonn/bonn_0"."""
    images = [f"leftImg8bit/{split}/{name}_leftImg8bit.png" for name in names]
    return images + [f"{kind}/{split}/{name}_{kind}_{ids}.png" for name in names]


def test_cityscapes_pairs_are_found_in_every_city_sorted(tmp_path: Path) -> None:
    touch(tmp_path, *cityscapes("ulm/ulm_1", "bonn/bonn_2", "bonn/bonn_0"))
    assert pairs(CityscapesLayout(tmp_path), "val") == [
        ("leftImg8bit/val/bonn/bonn_0_leftImg8bit.png", "gtFine/val/bonn/bonn_0_gtFine_labelIds.png"),
        ("leftImg8bit/val/bonn/bonn_2_leftImg8bit.png", "gtFine/val/bonn/bonn_2_gtFine_labelIds.png"),
        ("leftImg8bit/val/ulm/ulm_1_leftImg8bit.png", "gtFine/val/ulm/ulm_1_gtFine_labelIds.png"),
    ]


def test_cityscapes_train_ids_are_taken_where_there_are_no_label_ids(tmp_path: Path) -> None:
    touch(tmp_path, *cityscapes("bonn/a", ids="labelTrainIds"), *cityscapes("bonn/b", ids="labelTrainIds"))
    touch(tmp_path, *cityscapes("bonn/b"))
    assert [label for _, label in pairs(CityscapesLayout(tmp_path), "val")] == [
        "gtFine/val/bonn/a_gtFine_labelTrainIds.png",
        "gtFine/val/bonn/b_gtFine_labelIds.png",
    ]


def test_cityscapes_train_extra_has_coarse_labels(tmp_path: Path) -> None:
    touch(tmp_path, *cityscapes("bonn/a", split="train_extra", kind="gtCoarse"))
    assert pairs(CityscapesLayout(tmp_path), "train_extra") == [
        ("leftImg8bit/train_extra/bonn/a_leftImg8bit.png", "gtCoarse/train_extra/bonn/a_gtCoarse_labelIds.png")
    ]


def test_cityscapes_fine_labels_come_before_coarse_ones(tmp_path: Path) -> None:
    touch(tmp_path, *cityscapes("bonn/a"), *cityscapes("bonn/a", kind="gtCoarse"))
    assert [label for _, label in pairs(CityscapesLayout(tmp_path), "val")] == ["gtFine/val/bonn/a_gtFine_labelIds.png"]


def test_a_missing_fine_label_is_not_replaced_by_a_coarse_one_in_silence(tmp_path: Path) -> None:
    """The gtCoarse archive also covers train and val: a score on coarse labels is not the benchmark's."""
    touch(tmp_path, *cityscapes("bonn/a", "bonn/b"), *cityscapes("bonn/b", kind="gtCoarse"))
    (tmp_path / "gtFine/val/bonn/b_gtFine_labelIds.png").unlink()
    with pytest.raises(DataError, match="b_gtFine_labelIds"):
        CityscapesLayout(tmp_path).samples("val")


def test_other_files_beside_the_images_are_left_alone(tmp_path: Path) -> None:
    touch(tmp_path, *cityscapes("bonn/a"), "leftImg8bit/val/bonn/Thumbs.db", "leftImg8bit/val/license.txt")
    touch(tmp_path, "leftImg8bit/val/bonn/._a_leftImg8bit.png", "gtFine/val/bonn/a_gtFine_color.png")
    assert len(CityscapesLayout(tmp_path).samples("val")) == 1


def test_folder_pairs_have_equal_names_and_subfolders_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "images/train/b.jpg", "images/train/a.png", "images/train/rain/night/a.JPG", "images/val/v.png")
    touch(tmp_path, "labels/train/b.png", "labels/train/a.png", "labels/train/rain/night/a.png", "labels/val/v.png")
    assert pairs(FolderLayout(tmp_path), "train") == [
        ("images/train/a.png", "labels/train/a.png"),
        ("images/train/b.jpg", "labels/train/b.png"),
        ("images/train/rain/night/a.JPG", "labels/train/rain/night/a.png"),
    ]


def test_folder_names_may_have_dots(tmp_path: Path) -> None:
    touch(tmp_path, "images/val/0001.f1.jpg", "labels/val/0001.f1.png")
    assert pairs(FolderLayout(tmp_path), "val") == [("images/val/0001.f1.jpg", "labels/val/0001.f1.png")]


def test_list_lines_are_separated_by_tab_or_space_and_may_be_comments(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.png", "l/a.png", "i/b b.png", "l/b b.png", "i/c.png", "l/c.png")
    lines = ["# image label", "i/c.png l/c.png", "", "i/b b.png\tl/b b.png", "  i/a.png   l/a.png  ", "   "]
    (tmp_path / "train.list").write_text("\n".join(lines))
    assert pairs(ListLayout(tmp_path), "train") == [
        ("i/c.png", "l/c.png"),
        ("i/b b.png", "l/b b.png"),
        ("i/a.png", "l/a.png"),
    ]


def test_a_list_may_come_from_windows(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.png", "l/a.png")
    (tmp_path / "train.list").write_bytes("\ufeffi/a.png l/a.png\r\n".encode())
    assert pairs(ListLayout(tmp_path), "train") == [("i/a.png", "l/a.png")]


def test_a_list_may_hold_absolute_paths(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/a.png", "elsewhere/l.png", "root/.keep")
    (tmp_path / "root/val.list").write_text(f"{tmp_path}/elsewhere/a.png {tmp_path}/elsewhere/l.png")
    assert ListLayout(tmp_path / "root").samples("val")[0].label == tmp_path / "elsewhere/l.png"


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    """One leads to its own parent, two lead to one another."""
    touch(tmp_path, "elsewhere/a.png", "labels/train/cam/a.png", "images/train/x/.keep", "images/train/y/.keep")
    images = tmp_path / "images/train"
    (images / "cam").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/up").symlink_to(tmp_path / "images")
    (images / "x/to_y").symlink_to(images / "y")
    (images / "y/to_x").symlink_to(images / "x")
    assert pairs(FolderLayout(tmp_path), "train") == [("images/train/cam/a.png", "labels/train/cam/a.png")]
    assert [p.name for p in find_pictures(str(images)).pictures] == ["cam/a"]


def test_a_list_may_begin_its_paths_with_a_slash(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.png", "l/a.png")
    (tmp_path / "train.list").write_text("/i/a.png /l/a.png\n")
    assert pairs(ListLayout(tmp_path), "train") == [("i/a.png", "l/a.png")]


def test_a_list_of_windows_has_its_own_slashes(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "labels/a.png")
    (tmp_path / "train.list").write_text("images\\a.jpg labels\\a.png\r\n")
    assert pairs(ListLayout(tmp_path), "train") == [("images/a.jpg", "labels/a.png")]


def test_kitti_labels_are_of_the_road_or_else_of_the_lane(tmp_path: Path) -> None:
    touch(tmp_path, *(f"training/image_2/{name}.png" for name in ("um_000000", "um_000001", "uu_000000")))
    labels = ("um_road_000000", "um_lane_000000", "um_lane_000001", "uu_road_000000")
    touch(tmp_path, *(f"training/gt_image_2/{name}.png" for name in labels))
    assert [label for _, label in pairs(KittiRoadLayout(tmp_path), "train")] == [
        "training/gt_image_2/um_road_000000.png",
        "training/gt_image_2/um_lane_000001.png",
        "training/gt_image_2/uu_road_000000.png",
    ]


def test_kitti_colours_are_road_other_and_ignored(tmp_path: Path) -> None:
    write_image(tmp_path / "um_road_000000.png", np.array([[(255, 0, 255), (255, 0, 0), (0, 0, 0)]], np.uint8))
    assert read_label(tmp_path / "um_road_000000.png", KITTI).tolist() == [[0, 1, 255]]


def list_of(content: bytes | None) -> Callable[[Path], Layout]:
    def make(root: Path) -> Layout:
        touch(root, "i/a.png", "l/a.png")
        if content is not None:
            (root / "val.list").write_bytes(content)
        return ListLayout(root)

    return make


def tree_of(layout: Callable[[Path], Layout], *names: str) -> Callable[[Path], Layout]:
    def make(root: Path) -> Layout:
        touch(root, *names)
        return layout(root)

    return make


def nowhere(root: Path) -> Layout:
    return FolderLayout(root / "nowhere")


BROKEN: dict[str, tuple[Callable[[Path], Layout], str]] = {
    "no root": (nowhere, r"no folder .*nowhere: set data\.root"),
    "root is a file": (tree_of(lambda root: FolderLayout(root / "f"), "f"), r"/f\b.*data\.root"),
    "root of another layout": (
        tree_of(CityscapesLayout, "images/val/a.png"),
        r"expected .*leftImg8bit/val but found images; set data\.root",
    ),
    "root one too deep": (
        tree_of(lambda root: CityscapesLayout(root / "leftImg8bit"), *cityscapes("bonn/a")),
        r"expected .*leftImg8bit/leftImg8bit/val but found val.*above",
    ),
    "no such split": (
        tree_of(FolderLayout, "images/train/a.png", "labels/train/a.png"),
        r"expected .*images/val.*split",
    ),
    "split without images": (tree_of(FolderLayout, "images/val/readme.txt"), r"images/val names no images"),
    "city folders left out": (tree_of(CityscapesLayout, "leftImg8bit/val/a_leftImg8bit.png"), r"names no images"),
    "no labels at all": (
        tree_of(CityscapesLayout, "leftImg8bit/val/bonn/a_leftImg8bit.png"),
        r"a_leftImg8bit\.png has no label: expected .*gtFine/val/bonn/a_gtFine_labelIds\.png; add",
    ),
    "one label missing": (
        tree_of(FolderLayout, "images/val/a.png", "images/val/b.png", "labels/val/a.png"),
        r"images/val/b\.png has no label: expected .*labels/val/b\.png",
    ),
    "labels are JPEG": (tree_of(FolderLayout, "images/val/a.jpg", "labels/val/a.jpg"), r"expected .*labels/val/a\.png"),
    "no list": (list_of(None), r"expected .*val\.list but found i, l"),
    "empty list": (list_of(b"# nothing\n"), r"val\.list names no images"),
    "one path a line": (list_of(b"\ni/a.png\n"), r"val\.list, line 2 has 1 entries \('i/a\.png'\).*IMAGE LABEL"),
    "three paths a line": (list_of(b"i/a.png l/a.png x\n"), r"line 1 has 3 entries.*tab"),
    "image of the list missing": (
        list_of(b"i/a.png l/a.png\ni/b.png l/a.png"),
        r"line 2: there is no image .*i/b\.png",
    ),
    "label of the list missing": (list_of(b"i/a.png l/b.png"), r"expected .*l/b\.png"),
    "list in UTF-16": (list_of("i/a.png l/a.png".encode("utf-16")), r"val\.list.*UTF-8"),
    "list in Latin-1": (list_of(b"i/stra\xdfe.png l/a.png"), r"val\.list.*UTF-8"),
    "KITTI has no val": (
        tree_of(KittiRoadLayout, "training/image_2/um_000000.png"),
        r"'val': use data\.val_fraction",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_tree_is_one_line_with_the_place_and_the_remedy(kind: str, tmp_path: Path) -> None:
    make, said = BROKEN[kind]
    with pytest.raises(DataError, match=said) as caught:
        make(tmp_path).samples("val")
    assert "\n" not in str(caught.value)


def test_a_kitti_frame_without_label_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "training/image_2/um_000000.png")
    with pytest.raises(DataError, match=r"um_000000\.png has no label: expected .*um_road_000000\.png"):
        KittiRoadLayout(tmp_path).samples("train")


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (np.full((8, 8), 9), r"a\.png.* 9 \(64 pixels\).*data YAML"),
        (np.full((8, 8, 3), 9), r"a\.png.*\(9, 9, 9\).*colors"),
        (np.full((8, 9), 0), r"8x8.*8x9"),
    ],
)
def test_contents_that_do_not_fit_are_named_when_the_pair_is_read(tmp_path: Path, label: Any, said: str) -> None:
    touch(tmp_path, "images/val/a.png", "labels/val/a.png")
    write_image(tmp_path / "images/val/a.png", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "labels/val/a.png", label.astype(np.uint8))
    with pytest.raises(DataError, match=said):
        read_pair(*FolderLayout(tmp_path).samples("val")[0], CLASSES)


def test_a_survey_names_all_that_does_not_belong_together(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/val/{name}" for name in ("a.png", "b.png", "c.jpg", "d.mp4")))
    touch(tmp_path, *(f"labels/val/{name}" for name in ("a.png", "c.jpg", "x.png", "note.txt")))
    survey = FolderLayout(tmp_path).survey("val")
    assert [s.image.name for s in survey.samples] == ["a.png"]
    missing = [error for error in survey.refused if isinstance(error, MissingLabel)]
    assert [(e.image.name, e.label.name) for e in missing] == [("b.png", "b.png"), ("c.jpg", "c.png")]
    assert [p.name for p in survey.orphans] == ["c.jpg", "x.png"]
    assert [p.name for p in survey.unread] == ["d.mp4"]


def test_a_survey_of_a_list_goes_on_behind_a_bad_line(tmp_path: Path) -> None:
    touch(tmp_path, "i/a.png", "l/a.png")
    (tmp_path / "val.list").write_text("i/x.png l/a.png\ni/a.png\ni/a.png l/a.png\ni/a.png l/x.png\n")
    survey = ListLayout(tmp_path).survey("val")
    assert len(survey.samples) == 1
    assert [type(error).__name__ for error in survey.refused] == ["BadLine", "BadLine", "MissingLabel"]


def test_cityscapes_train_ids_beside_label_ids_are_no_orphans(tmp_path: Path) -> None:
    touch(tmp_path, *cityscapes("bonn/a"), *cityscapes("bonn/a", "bonn/lost", ids="labelTrainIds"))
    (tmp_path / "leftImg8bit/val/bonn/lost_leftImg8bit.png").unlink()
    survey = CityscapesLayout(tmp_path).survey("val")
    assert [p.name for p in survey.orphans] == ["lost_gtFine_labelTrainIds.png"]


def test_kitti_frames_of_one_kind_of_road_can_be_chosen(tmp_path: Path) -> None:
    for kind in ("um", "umm", "uu"):
        touch(tmp_path, f"training/image_2/{kind}_000000.png", f"training/gt_image_2/{kind}_road_000000.png")
    survey = KittiRoadLayout(tmp_path, kinds=["um"]).survey("train")
    assert [s.image.name for s in survey.samples] == ["um_000000.png"]
    assert survey.orphans == []
