"""Label maps from polygons, compared with the scripts of Cityscapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels
from cityscapesscripts.preparation.json2labelImg import json2labelImg
from PIL import Image

from icnet.data.cityscapes import LABEL_IDS, draw_polygons, find_undrawn, write_label
from icnet.data.layouts import CityscapesLayout
from icnet.errors import DataError


def annotation(*objects: dict[str, Any], size: tuple[int, int] = (60, 90)) -> dict[str, Any]:
    return {"imgHeight": size[0], "imgWidth": size[1], "objects": list(objects)}


def thing(label: str, *points: tuple[float, float], **more: Any) -> dict[str, Any]:
    return {"label": label, "polygon": [list(point) for point in points], **more}


def crowd(seed: int) -> dict[str, Any]:
    """Forty polygons of any class and form, many of them beyond the frame, some of them deleted or groups."""
    rng = np.random.default_rng(seed)
    names = [*LABEL_IDS, "cargroup", "persongroup", "bicyclegroup"]
    objects = [
        thing(
            str(rng.choice(names)),
            *((int(x), int(y)) for x, y in rng.integers(-30, 120, (int(rng.integers(2, 12)), 2))),
            deleted=int(rng.random() < 0.2),
        )
        for _ in range(40)
    ]
    return annotation(*objects)


def test_the_label_ids_are_those_of_the_scripts() -> None:
    assert {label.name: label.id for label in labels} == LABEL_IDS


@pytest.mark.parametrize("seed", range(8))
def test_polygons_are_drawn_as_the_scripts_draw_them(seed: int, tmp_path: Path) -> None:
    source = tmp_path / "a_gtFine_polygons.json"
    source.write_text(json.dumps(crowd(seed)))
    json2labelImg(str(source), str(tmp_path / "theirs.png"), "ids")
    write_label(source, tmp_path / "ours.png")
    theirs = np.asarray(Image.open(tmp_path / "theirs.png"))
    assert len(np.unique(theirs)) > 5
    assert np.array_equal(np.asarray(Image.open(tmp_path / "ours.png")), theirs)


def test_later_objects_cover_earlier_ones_and_deleted_ones_nothing() -> None:
    square = [(0, 0), (89, 0), (89, 59), (0, 59)]
    drawn = draw_polygons(annotation(thing("sky", *square), thing("cargroup", (0, 0), (9, 0), (9, 9), (0, 9))), "x")
    assert (drawn[5, 5], drawn[30, 30]) == (26, 23)
    assert draw_polygons(annotation(thing("sky", *square, deleted=1)), "x").max() == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", r"a_polygons\.json cannot be read"),
        ("[]", "no annotation of Cityscapes"),
        (json.dumps({"objects": []}), "no annotation of Cityscapes.*imgWidth"),
        (json.dumps(annotation(thing("unicorn", (0, 0), (5, 5), (0, 5)))), "there is no class unicorn"),
        (json.dumps(annotation(thing("car", (0, 0)))), "no annotation of Cityscapes"),
    ],
)
def test_a_broken_annotation_is_one_line(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a_polygons.json").write_text(content)
    with pytest.raises(DataError, match=said):
        write_label(tmp_path / "a_polygons.json", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("kind", ["gtFine", "gtCoarse"])
def test_labels_that_can_be_drawn_are_found_beside_their_polygons(kind: str, tmp_path: Path) -> None:
    names = [f"leftImg8bit/train_extra/bonn/{name}_leftImg8bit.png" for name in "abc"]
    names += [f"{kind}/train_extra/bonn/{name}_{kind}_polygons.json" for name in "ab"]
    names += [f"{kind}/train_extra/bonn/a_{kind}_labelIds.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = tmp_path / kind / "train_extra" / "bonn"
    assert find_undrawn(CityscapesLayout(tmp_path).survey("train_extra")) == [
        (folder / f"b_{kind}_polygons.json", folder / f"b_{kind}_labelIds.png")
    ]
