"""Classes proposed for label files that nobody has described."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from icnet.data.check.propose import Names, choose_crop, classes_yaml, data_yaml, propose_classes, read_names
from icnet.data.check.values import Form
from icnet.data.labels import ClassTable
from icnet.errors import DataError

NO_NAMES = Names(None, {}, {})
RED, GREEN = 0xFF0000, 0x00FF00


def test_ids_without_gaps_need_no_label_ids() -> None:
    classes = propose_classes({Form.IDS: {0: 5, 1: 5, 2: 5, 255: 9}}, NO_NAMES)
    assert classes.names == ("class_0", "class_1", "class_2")
    assert classes.label_ids is None


def test_ids_with_gaps_keep_their_ids() -> None:
    assert propose_classes({Form.IDS: {3: 5, 11: 5, 255: 9}}, NO_NAMES).label_ids == (3, 11)


def test_the_palette_is_that_of_pascal_voc() -> None:
    """aeroplane and bicycle of its devkit are (128, 0, 0) and (0, 128, 0); tv monitor, 20, is (0, 64, 128)."""
    classes = propose_classes({Form.IDS: dict.fromkeys(range(21), 1)}, NO_NAMES)
    assert [classes.colors[i] for i in (0, 1, 2, 20)] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (0, 64, 128)]


def test_colours_are_classes_the_commonest_first_and_a_little_black_is_ignored() -> None:
    classes = propose_classes({Form.COLOURS: {0: 9, RED: 5, GREEN: 50}}, NO_NAMES)
    assert classes.colors == ((0, 255, 0), (255, 0, 0))
    assert classes.names == ("color_00ff00", "color_ff0000")


def test_what_is_named_as_void_is_ignored() -> None:
    names = Names(None, {0: "road", 1: "car", 2: "Void"}, {})
    classes = propose_classes({Form.IDS: {0: 5, 1: 5, 2: 5, 255: 9}}, names)
    assert (tuple(classes.names), tuple(classes.ignored_ids)) == (("road", "car"), (2,))
    assert yaml.safe_load(classes_yaml(classes, "mine"))["ignored_ids"] == [2]


@pytest.mark.parametrize(("name", "count"), [("background", 3), ("unlabelled", 2)])
def test_black_is_a_class_where_it_has_the_name_of_one(name: str, count: int) -> None:
    names = Names(None, {}, {0: name, RED: "road", GREEN: "grass"})
    assert len(propose_classes({Form.COLOURS: {0: 99, RED: 5, GREEN: 50}}, names)) == count


def test_numbers_beside_names_say_which_value_is_meant(tmp_path: Path) -> None:
    (tmp_path / "_classes.csv").write_text("Pixel Value, Class\n0, background\n7, road\n")
    assert read_names(tmp_path).of_id == {0: "background", 7: "road"}
    (tmp_path / "class_names.txt").write_text("_background_\nroad\n")
    assert read_names(tmp_path).of_id == {0: "_background_", 1: "road"}


def test_black_beside_one_colour_is_the_other_class() -> None:
    assert propose_classes({Form.COLOURS: {0: 99, RED: 5}}, NO_NAMES).colors == ((0, 0, 0), (255, 0, 0))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({Form.IDS: {7: 10}}, r"hold 7 alone, and a network needs two classes: check"),
        ({Form.IDS: {0: 9, 1000: 1, 1001: 1, 2000: 1}}, "4 values of 0 to 2000: these look like instance ids"),
        (
            {Form.IDS: dict.fromkeys(range(26000, 26300), 1)},
            "300 values of 26000 to 26299: these look like instance ids",
        ),
        ({Form.IDS: dict.fromkeys(range(256, 600), 1)}, "344 values of 256 to 599: take label maps of class ids"),
        ({Form.COLOURS: {RED: 10}}, "one colour alone"),
        ({}, "no label file could be read"),
    ],
)
def test_labels_that_make_no_classes_say_why(values: dict[Form, dict[int, int]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        propose_classes(values, NO_NAMES)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("label_colors.txt", "0 255 0\t\tgrass\n255 0 0\t\tfire truck\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\ngrass:0,255,0::\nfire truck:255,0,0::\n"),
    ],
)
def test_colours_are_named_by_the_file_beside_the_data(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content)
    classes = propose_classes({Form.COLOURS: {RED: 50, GREEN: 5}}, read_names(tmp_path))
    assert dict(zip(classes.names, classes.colors, strict=True)) == {"grass": (0, 255, 0), "fire truck": (255, 0, 0)}


def test_ids_are_named_by_the_file_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("sky\nroad\ntree\n")
    assert propose_classes({Form.IDS: {0: 1, 2: 1}}, read_names(tmp_path)).names == ("sky", "tree")


def test_the_classes_come_back_from_their_yaml() -> None:
    colors = [(0, 0, 0), (1, 2, 3), (4, 5, 6)]
    classes = ClassTable(["no", 'it\'s: a "name"', "straße"], colors, [3, 7, 9], [0], form="alpha")
    content = yaml.safe_load(classes_yaml(classes, "mine"))
    assert content.pop("_target_") == "icnet.data.labels.ClassTable"
    assert ClassTable(**content) == classes


def test_the_settings_come_back_from_their_yaml() -> None:
    layout = {"_target_": "icnet.data.layouts.FolderLayout"}
    settings = {"root": "/a path/über: b", "crop_size": (352, 480), "val_split": ["a", "b"], "val_fraction": None}
    content = yaml.safe_load(data_yaml("mine", layout, settings))
    assert content["layout"] == layout
    assert content["root"] == settings["root"]
    assert content["crop_size"] == [352, 480]
    assert content["val_split"] == ["a", "b"]
    assert content["val_fraction"] is None


def test_a_crop_fits_into_every_usual_frame() -> None:
    assert choose_crop({(360, 480): 1, (400, 470): 5}) == (352, 448)
    assert choose_crop({(2160, 3840): 1}) == (960, 960)
    assert choose_crop({(20, 500): 1}) == (32, 480)


def test_a_crop_is_as_large_as_usual_frames_have_it_and_not_as_an_outlier() -> None:
    """The median is 480x640; less than half of it is no frame of this camera."""
    assert choose_crop({(480, 640): 7, (400, 500): 2, (33, 40): 1}) == (384, 480)
