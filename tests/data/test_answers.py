"""answers.json: what can be read, and what it makes of a label map."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from icnet.data.answers import checksum, name_frame, read_answers
from icnet.data.formats.runs import decode_runs, encode_runs
from icnet.data.labels import ClassTable
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car", "sky"], [(1, 1, 1), (2, 2, 2), (3, 3, 3)])
LABEL = np.zeros((6, 8), np.uint8)


def content(*verdicts: str, **changes: Any) -> dict[str, Any]:
    """An answer for each verdict, about the same L of three pixels: labelled road, seen as car."""
    row = {
        "frame": "images/train/a.png",
        "size": [6, 8],
        "checksum": checksum(LABEL),
        "label": "road",
        "prediction": "car",
        "box": [2, 3, 2, 2],
        "runs": [0, 1, 1, 2],
    }
    return {"classes": ["road", "car", "sky"], "answers": [row | {"answer": v} | changes for v in verdicts]}


def write(path: Path, what: Any) -> Path:
    path.write_text(what if isinstance(what, str) else json.dumps(what))
    return path


@pytest.mark.parametrize(
    ("verdict", "ignore", "becomes"),
    [("label", False, 1), ("label", True, 255), ("unsure", False, 255), ("unsure", True, 255)],
)
def test_an_answer_changes_the_pixels_of_its_region_alone(
    verdict: str, ignore: bool, becomes: int, tmp_path: Path
) -> None:
    (answer,) = read_answers(write(tmp_path / "answers.json", content(verdict)), CLASSES)
    label = LABEL.copy()
    answer.apply(label, ignore=ignore)
    expected = LABEL.copy()
    expected[2, 3] = expected[3, 3] = expected[3, 4] = becomes
    assert answer.changes
    assert np.array_equal(label, expected)


def test_where_the_network_is_wrong_nothing_changes(tmp_path: Path) -> None:
    (answer,) = read_answers(write(tmp_path / "answers.json", content("network")), CLASSES)
    assert not answer.changes


def without(key: str) -> dict[str, Any]:
    what = content("label")
    del what["answers"][0][key]
    return what


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ('{"answers": [\n {"frame" 1}]}', r"answers\.json, line 2, column 11: no JSON"),
        ("[]", r"answers\.json holds no answers: open queue\.html"),
        ({"regions": []}, "holds no answers"),
        (content() | {"classes": ["road", "car"]}, "about the classes road, car, and the data have road, car, sky"),
        ({"answers": []}, "about the classes none"),
        (
            content("label", answer="wrong"),
            "answer 1 says 'wrong', and not label or network or unsure: save it once more",
        ),
        (content("label", prediction="tree"), "answer 1 names 'tree', which is no class: save it once more"),
        (without("box"), "answer 1 lacks 'box'"),
        (content("network", box=[5, 3, 2, 2]), "answer 1 has a box beyond its frame of 6x8"),
        (content("network", runs=[0, 9]), "answer 1 has run lengths for 9 pixels in a mask of 2x2"),
        (content("network", runs="0 4"), "answer 1 has 0 4 where whole numbers are expected"),
        (content("network", box=[-1, 3, 2, 2]), "where whole numbers are expected"),
        ({"classes": ["road", "car", "sky"], "answers": [3]}, "answer 1 "),
    ],
)
def test_what_holds_no_answers_is_one_line(what: Any, fault: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=fault) as refused:
        read_answers(write(tmp_path / "answers.json", what), CLASSES)
    assert "\n" not in str(refused.value)


def test_a_frame_is_named_by_its_path_below_the_data() -> None:
    assert name_frame(Path("/data/images/a.png"), Path("/data")) == "images/a.png"
    assert name_frame(Path("/elsewhere/a.png"), Path("/data")) == "/elsewhere/a.png"


@pytest.mark.parametrize("make", [np.zeros, np.ones])
def test_run_lengths_read_back(make: Callable[..., Any]) -> None:
    for mask in (make((3, 4), np.bool_), np.random.default_rng(0).random((7, 5)) < 0.5):
        assert np.array_equal(decode_runs(encode_runs(mask), *mask.shape), mask)
