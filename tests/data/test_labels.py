from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from icnet.data.labels import ClassTable
from icnet.errors import ConfigError, DataError

COLORS = [(128, 64, 128), (0, 0, 142), (70, 130, 180)]
NAMES = ["road", "car", "sky"]


def table(**settings: Any) -> ClassTable:
    return ClassTable(**({"names": NAMES, "colors": COLORS} | settings))


def pixels(*values: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.array([values], np.uint8)


def test_label_ids_become_train_ids_and_ignored_ones_255() -> None:
    classes = table(label_ids=[7, 26, 23], ignored_ids=[0, 4])
    assert classes.to_train_ids(pixels(7, 26, 23, 0, 4, 255), "a.png").tolist() == [[0, 1, 2, 255, 255, 255]]


def test_without_label_ids_the_files_hold_train_ids() -> None:
    assert table().to_train_ids(pixels(0, 1, 2, 255), "a.png").tolist() == [[0, 1, 2, 255]]


def test_a_file_of_train_ids_is_read_as_such_whatever_the_label_ids_are() -> None:
    classes = table(label_ids=[7, 26, 23], ignored_ids=[0, 4])
    assert classes.to_train_ids(pixels(0, 1, 2, 255), "a.png", train_ids=True).tolist() == [[0, 1, 2, 255]]
    with pytest.raises(DataError, match="7"):
        classes.to_train_ids(pixels(7), "a.png", train_ids=True)


def test_train_ids_are_of_8_bits() -> None:
    assert table().to_train_ids(pixels(0, 255), "a.png").dtype == np.uint8


@pytest.mark.parametrize("train_ids", [False, True])
def test_an_unknown_value_is_named_with_file_and_count_and_with_a_remedy(train_ids: bool) -> None:
    with pytest.raises(DataError, match=r"city/a\.png.* 33 \(2 pixels\).*0-2.*ignored_ids"):
        table().to_train_ids(pixels(0, 33, 1, 33), "city/a.png", train_ids=train_ids)


def test_all_unknown_values_are_named_up_to_five() -> None:
    with pytest.raises(DataError) as caught:
        table().to_train_ids(pixels(10, 11, 12, 13, 14, 15, 10), "a.png")
    assert "10 (2 pixels), 11 (1 pixels)" in str(caught.value)
    assert "14" in str(caught.value)
    assert "15" not in str(caught.value)


def test_the_error_is_one_line() -> None:
    with pytest.raises(DataError) as caught:
        table(label_ids=[7, 26, 23]).to_train_ids(np.arange(200, dtype=np.uint8)[None], "a.png")
    assert "\n" not in str(caught.value)


def test_colours_become_train_ids_and_black_is_ignored() -> None:
    image = pixels((128, 64, 128), (70, 130, 180), (0, 0, 0), (0, 0, 142))
    assert table().from_colors(image, "a.png").tolist() == [[0, 2, 255, 1]]


def test_black_is_a_class_where_the_table_says_so() -> None:
    assert table(colors=[(0, 0, 0), *COLORS[1:]]).from_colors(pixels((0, 0, 0)), "a.png").tolist() == [[0]]


def test_the_order_of_red_green_and_blue_matters() -> None:
    with pytest.raises(DataError, match=r"\(142, 0, 0\)"):
        table().from_colors(pixels((142, 0, 0)), "a.png")


def test_an_unknown_colour_is_named_with_its_file_and_a_remedy() -> None:
    with pytest.raises(DataError, match=r"city/a\.png.*\(1, 2, 3\).*colors"):
        table().from_colors(pixels((128, 64, 128), (1, 2, 3)), "city/a.png")


def test_the_palette_gives_each_train_id_its_colour_and_ignored_pixels_black() -> None:
    palette = table().palette
    assert palette.shape == (256, 3)
    assert palette[:3].tolist() == [list(c) for c in COLORS]
    assert palette[3:].max() == 0


def test_a_table_is_rebuilt_from_plain_data() -> None:
    classes = table(label_ids=[7, 26, 23], ignored_ids=[0])
    assert ClassTable(**classes.to_dict()) == classes
    assert len(classes) == 3


def test_categories_and_instances_are_rebuilt_too() -> None:
    classes = table(categories=["flat", "vehicle", "sky"], instance_sizes={"car": 12794.02})
    assert ClassTable(**classes.to_dict()) == classes


def test_a_table_of_an_older_checkpoint_has_neither() -> None:
    older = {"names": NAMES, "colors": COLORS, "label_ids": None, "ignored_ids": []}
    classes = ClassTable(**older)
    assert classes.categories is None
    assert classes.instance_sizes is None


def test_255_is_a_class_where_the_table_claims_it_and_ignored_in_files_of_train_ids() -> None:
    classes = ClassTable(["background", "object"], COLORS[:2], label_ids=[0, 255])
    assert classes.to_train_ids(pixels(0, 255), "a.png").tolist() == [[0, 1]]
    assert classes.to_train_ids(pixels(0, 255), "a.png", train_ids=True).tolist() == [[0, 255]]
    with pytest.raises(DataError, match=r"known: 0, 255\)"):
        classes.to_train_ids(pixels(128), "a.png")


def test_values_of_16_bits_are_looked_up_and_all_bits_set_are_void() -> None:
    wide = np.array([[7, 300, 65535, 255]], np.uint16)
    assert table(label_ids=[7, 300, 23]).to_train_ids(wide, "a.png").tolist() == [[0, 1, 255, 255]]
    masks = ClassTable(["background", "object"], COLORS[:2], label_ids=[0, 65535])
    assert masks.to_train_ids(np.array([[0, 65535]], np.uint16), "a.png").tolist() == [[0, 1]]


def test_instance_ids_are_called_by_that_word() -> None:
    with pytest.raises(
        DataError, match=r"a\.png holds 26001 \(1 pixels\): these look like instance ids \(class x 1000"
    ):
        table().to_train_ids(np.array([[0, 26001]], np.uint16), "a.png")


def test_an_unknown_colour_of_equal_channels_may_be_an_id() -> None:
    with pytest.raises(DataError, match=r"\(1, 1, 1\).*three equal channels, take data\.classes\.form=ids"):
        table().from_colors(pixels((1, 1, 1)), "a.png")


def test_255_is_ignored_where_no_class_claims_it_and_may_be_listed() -> None:
    assert table(ignored_ids=[255]).to_train_ids(pixels(255), "a.png").tolist() == [[255]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"names": [], "colors": []}, "names"),
        ({"names": ["road"], "colors": COLORS[:1]}, "two classes"),
        ({"names": [f"c{i}" for i in range(256)], "colors": [(1, 2, 3)] * 256}, "256"),
        ({"names": ["road", "car", "road"]}, "road"),
        ({"colors": COLORS[:2]}, "colors.*2"),
        ({"colors": [*COLORS, (1, 1, 1)]}, "colors.*4"),
        ({"colors": [(256, 0, 0), *COLORS[1:]]}, "road.*256"),
        ({"colors": [(-1, 0, 0), *COLORS[1:]]}, "road.*-1"),
        ({"colors": [(1, 2), *COLORS[1:]]}, r"road.*\[1, 2\]"),
        ({"colors": [(0.5, 0.25, 0.5), *COLORS[1:]]}, r"road.*0\.5"),
        ({"colors": [128, 64, 128]}, "colors.*128"),
        ({"colors": ["#804080", *COLORS[1:]]}, "road"),
        ({"label_ids": [7, 26]}, "label_ids.*2"),
        ({"label_ids": [7, 26, 7]}, "7"),
        ({"label_ids": [7, 26, 70000]}, "label_ids.*70000"),
        ({"label_ids": [7, 26, -1]}, "label_ids.*-1"),
        ({"label_ids": [7, 26, 255], "ignored_ids": [255]}, "255"),
        ({"form": "colours"}, "form.*'colours'.*ids, colors, alpha"),
        ({"label_ids": ["a", "b", "c"]}, "label_ids.*a"),
        ({"label_ids": [7, 26, 23], "ignored_ids": [26]}, "26"),
        ({"ignored_ids": [2]}, "2"),
        ({"ignored_ids": [70000]}, "ignored_ids.*70000"),
        ({"categories": ["flat", "vehicle"]}, "categories.*2"),
        ({"instance_sizes": {"cat": 5.0}}, "instance_sizes.*'cat'"),
        ({"instance_sizes": {"car": 0}}, "instance_sizes.*car 0"),
        ({"instance_sizes": {"car": "big"}}, "instance_sizes.*car 'big'"),
        ({"instance_sizes": {"car": True}}, "instance_sizes.*car True"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.classes.*{said}"):
        table(**settings)


def test_two_classes_of_one_colour_cannot_be_told_apart_in_colour_files() -> None:
    with pytest.raises((ConfigError, DataError), match=r"road.*car|128, 64, 128"):
        table(colors=[COLORS[0], COLORS[0], COLORS[2]]).from_colors(pixels(COLORS[0]), "a.png")
