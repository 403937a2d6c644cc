"""confusion.csv, and what the report says of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tests.report.shown import section_of

from icnet.errors import DataError
from icnet.report.confusion import Confusion, read_confusion, write_confusion
from icnet.report.run import Run

NAMES = ("road", "pole, thin", "sky")
COUNTS = np.array([[900, 0, 100], [34, 66, 0], [0, 0, 0]])


def page_of(folder: Path) -> str:
    return section_of(Run(folder, {}), "confusions")


def test_a_matrix_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_confusion(tmp_path, COUNTS * 10**12, NAMES)
    found = read_confusion(tmp_path)
    assert found is not None
    assert tuple(found.names) == NAMES
    assert (found.counts == COUNTS * 10**12).all()


def test_the_strongest_confusions_go_by_the_share_of_a_class() -> None:
    assert list(Confusion(NAMES, COUNTS).say_strongest()) == [
        "34.0 % of the pole, thin pixels became road.",
        "10.0 % of the road pixels became sky.",
    ]


def test_the_costliest_confusion_goes_by_pixels() -> None:
    words = Confusion(NAMES, COUNTS).say_costliest()  # 134 of 1100 are wrong, 100 of them road taken for sky
    assert words.startswith(
        "12.2 % of the labelled pixels are wrong; the largest part of these, 74.6 %, is road taken for sky"
    )
    assert Confusion(NAMES, np.eye(3, dtype=np.int64)).say_costliest() == "No pixel is wrong."


def test_each_cell_has_its_share_and_a_class_without_labels_says_so(tmp_path: Path) -> None:
    write_confusion(tmp_path, COUNTS, NAMES)
    page = page_of(tmp_path)
    assert re.findall("<td(.*)>(.*)</td>", page)[:4] == [
        ("", ""),  # the corner
        (' style="--s:95%" class="dark"', "90"),
        ("", ""),
        (' style="--s:32%"', "10"),
    ]
    assert '<td colspan="3" class="none">no labelled pixel</td>' in page


def test_a_matrix_of_many_classes_is_referred_to(tmp_path: Path) -> None:
    write_confusion(tmp_path, np.eye(150, dtype=np.int64), [f"class {i}" for i in range(150)])
    page = page_of(tmp_path)
    assert "The matrix of all 150 classes is in confusion.csv" in page
    assert "<table" not in page


@pytest.mark.parametrize(
    "content", ["", "x,road\nroad,1.5\n", "x,road,sky\nroad,1,2\n", "x,road,sky\nroad,1\nsky,1,2\n"]
)
def test_a_broken_table_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "confusion.csv").write_text(content)
    with pytest.raises(DataError, match=r"confusion\.csv is"):
        page_of(tmp_path)


def test_a_run_without_a_matrix_says_nothing(tmp_path: Path) -> None:
    assert page_of(tmp_path) == ""
    write_confusion(tmp_path, np.zeros((3, 3), np.int64), NAMES)
    assert page_of(tmp_path) == ""
