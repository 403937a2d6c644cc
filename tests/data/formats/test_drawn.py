"""Label maps that are drawn once; labels that share a value; what is wrong with a tool's files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import trees

from icnet.data.formats.cache import Drawn, bring_up_to_date
from icnet.data.formats.coco import Coco
from icnet.data.formats.cvat import Cvat
from icnet.data.formats.labelme import LabelMe
from icnet.data.formats.labelstudio import LabelStudio
from icnet.data.formats.supervisely import Supervisely
from icnet.data.images import read_raw_label, write_image
from icnet.data.samples import Layout, Sample
from icnet.errors import DataError


def when_drawn(samples: list[Sample]) -> list[int]:
    return [sample.label.stat().st_mtime_ns for sample in samples]


def test_a_label_map_is_drawn_once_and_anew_when_its_file_or_the_values_change(tmp_path: Path) -> None:
    trees.labelme(tmp_path)
    first = when_drawn(LabelMe(tmp_path).samples("train"))
    assert when_drawn(LabelMe(tmp_path).samples("train")) == first
    changed = trees.labelme_content("a_001.jpg", [])
    (tmp_path / "a_001.json").write_text(json.dumps(changed))
    second = when_drawn(LabelMe(tmp_path).samples("train"))
    assert [old == new for old, new in zip(first, second, strict=True)] == [True, False, True, True, True, True]
    samples = LabelMe(tmp_path, labels={"road": 9, "car": 255}).samples("train")
    assert np.unique(read_raw_label(samples[0].label)).tolist() == [0, 9, 255]


def test_a_label_map_that_was_cut_off_or_lost_is_drawn_again(tmp_path: Path) -> None:
    trees.labelme(tmp_path)
    samples = LabelMe(tmp_path).samples("train")
    samples[0].label.write_bytes(samples[0].label.read_bytes()[:20])
    samples[1].label.unlink()
    for sample in LabelMe(tmp_path).samples("train")[:2]:
        assert np.array_equal(read_raw_label(sample.label) == 0, trees.expected() == 0)


@pytest.mark.parametrize("index", ["[]", "{", '{"images/a.png.png": 3}', '{"images/a.png.png": {"stamp": "x"}}'])
def test_an_index_of_another_form_is_as_good_as_none(index: str, tmp_path: Path) -> None:
    trees.labelme(tmp_path)
    expected = len(LabelMe(tmp_path).samples("train"))
    (tmp_path / "drawn/index.json").write_text(index.replace("images/a.png.png", "a_000.jpg.png"))
    assert len(LabelMe(tmp_path).samples("train")) == expected


def test_of_several_processes_one_draws_and_the_others_wait(tmp_path: Path) -> None:
    """A lock of a file is one between threads, too, as each opens it."""
    drawn: list[str] = []

    def job(name: str) -> Callable[[], Drawn]:
        def draw() -> Drawn:
            time.sleep(0.01)
            drawn.append(name)
            return Drawn(np.zeros((4, 4), np.uint8), 0, 0, [], [])

        return draw

    jobs = {f"{n}.png": ("stamp", job(f"{n}.png")) for n in range(4)}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: bring_up_to_date(tmp_path, jobs), range(4)))
    assert sorted(drawn) == sorted(jobs)
    assert all(part == found[0] for part in found)


def test_label_maps_lie_in_another_folder_where_it_is_named(tmp_path: Path) -> None:
    trees.labelme(tmp_path / "data")
    before = sorted((tmp_path / "data").rglob("*"))
    LabelMe(tmp_path / "data", drawn=str(tmp_path / "fast")).samples("train")
    assert sorted((tmp_path / "data").rglob("*")) == before
    assert (tmp_path / "fast/a_000.jpg.png").is_file()


def test_labels_that_differ_in_case_or_blanks_alone_are_one_class_which_is_said(tmp_path: Path) -> None:
    names = ("Car", "car ", "truck", "_background_", "__ignore__")
    shapes = [
        {"label": label, "points": [[10 * n, 0], [10 * n + 10, 10]], "shape_type": "rectangle"}
        for n, label in enumerate(names)
    ]
    trees.dump(tmp_path / "a.json", trees.labelme_content(trees.photo(tmp_path / "a.jpg"), shapes))
    layout = LabelMe(tmp_path)
    label = read_raw_label(layout.samples("train")[0].label)
    assert label[0, :50:10].tolist() == [1, 1, 2, 0, 255]
    assert "'Car' and 'car ' differ in case or blanks alone" in layout.survey("train").notes[-1]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """Two points, all outside, nothing at all, and an image that nobody labelled."""
    trees.photo(tmp_path / "z.jpg")
    images = {
        trees.photo(tmp_path / "images/a.jpg"): [
            trees.cvat_polygon("road", [(0, 0), (5, 5)]),
            trees.cvat_polygon("car", [(100, 0), (120, 0), (120, 20)]),
        ],
        trees.photo(tmp_path / "images/b.jpg"): [],
    }
    trees.cvat_file(tmp_path / "annotations.xml", images)
    notes = Cvat(tmp_path).survey("train").notes
    assert [note.partition(": ")[2] for note in notes[:2]] == [
        "on a.jpg a shape of 'road' has 2 points and no area: left out",
        "on a.jpg a shape of 'car' covers no pixel of the frame of 64x96: left out",
    ]
    assert notes[2] == "train: 1 frames have no shape and are all background, first images/b.jpg"
    assert notes[3] == f"1 images are in no file of the tool and are left out, first {tmp_path}/z.jpg"


def test_boxes_of_coco_are_no_areas_and_counted(tmp_path: Path) -> None:
    content = trees.coco_content([trees.photo(tmp_path / "a.jpg")])
    content["annotations"][0]["segmentation"] = []
    del content["annotations"][1]["segmentation"]
    trees.dump(tmp_path / "labels.json", content)
    assert "no areas: box (2)" in Coco(tmp_path).survey("train").notes[0]


def test_a_frame_that_two_files_name_is_said_with_both(tmp_path: Path) -> None:
    trees.labelme(tmp_path)
    trees.dump(tmp_path / "a_000 (copy).json", trees.labelme_content("a_000.jpg"))
    notes = LabelMe(tmp_path).survey("train").notes
    (said,) = [note for note in notes if "named more than once" in note]
    assert said.startswith("train: 1 frames are named more than once, and the shapes of all are drawn, first ")
    assert f"{tmp_path}/a_000.jpg: by {tmp_path}/a_000 (copy).json and" in said


def with_text(kind: type[Layout], path: str, text: str) -> Callable[[Path], Layout]:
    def make(root: Path) -> Layout:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        return kind(root)

    return make


def with_tree(make_tree: trees.Tree, kind: Any, **settings: Any) -> Callable[[Path], Layout]:
    def make(root: Path) -> Layout:
        make_tree(root)
        layout: Layout = kind(root, **settings)
        return layout

    return make


def coco_without_image(root: Path) -> None:
    trees.coco(root)
    (root / "train2017/a_001.jpg").unlink()


def coco_with_two_images(root: Path) -> None:
    trees.dump(root / "labels.json", trees.coco_content(["a.jpg"]))
    trees.photo(root / "one/a.jpg")
    trees.photo(root / "two/a.jpg")


def coco_of_runs(root: Path) -> None:
    runs = {"size": [trees.HEIGHT, trees.WIDTH], "counts": [5, 5]}
    annotation = {"image_id": 10, "category_id": 3, "segmentation": runs, "iscrowd": 1}
    trees.dump(root / "labels.json", trees.coco_content([trees.photo(root / "a.jpg")], [annotation]))


def supervisely_without_classes(root: Path) -> None:
    trees.supervisely(root)
    trees.dump(root / "meta.json", {"tags": []})


def coco_of_no_category(root: Path) -> None:
    annotation = {"image_id": 10, "category_id": 55, "segmentation": [trees.flat(trees.CAR)]}
    trees.dump(root / "labels.json", trees.coco_content([trees.photo(root / "a.jpg")], [annotation]))


def coco_of_another_size(root: Path) -> None:
    trees.dump(root / "labels.json", trees.coco_content([trees.photo(root / "a.jpg")]))
    write_image(root / "a.jpg", np.zeros((32, 48, 3), np.uint8))


def labelme_of_a_point(root: Path) -> None:
    shape = {"label": "car", "points": [[1, 1]], "shape_type": "circle"}
    trees.dump(root / "a.json", trees.labelme_content(trees.photo(root / "a.jpg"), [shape]))


def labelme_cut_off(root: Path) -> None:
    """Neither of them says any more that LabelMe wrote it, but their images lie beside them."""
    trees.labelme(root)
    (root / "a_001.json").write_text('{"version": "5.4.1"')
    (root / "a_002.json").write_text("")


XML = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><annotations><image name="&b;"/></annotations>'
BROKEN: dict[str, tuple[Callable[[Path], Layout], str]] = {
    "JSON cut off": (
        with_text(Coco, "a.json", '{"images": [],\n "annotations": [], "categories": ['),
        r"a\.json, line 2, column 36: no JSON \(Expecting value\); export it again",
    ),
    "JSON of LabelMe without shapes": (
        with_text(LabelMe, "a.json", '{"imagePath": "a.jpg", "x": {"shapes": []}}'),
        r"a\.json has no shapes or imagePath: it is no file of LabelMe",
    ),
    "COCO without names": (
        with_text(Coco, "a.json", '{"images": [{"id": 1}], "annotations": [], "categories": []}'),
        r"a\.json lacks 'file_name'; export it again",
    ),
    "XML cut off": (
        with_text(Cvat, "annotations.xml", "<annotations>\n<image name="),
        r"xml, line 2, column \d+: no XML",
    ),
    "XML with entities": (with_text(Cvat, "annotations.xml", XML), "declares a document type"),
    "no task has an image": (
        with_text(LabelStudio, "a.json", '[{"id": 3, "data": {}, "annotations": [{"result": []}]}]'),
        r"a\.json: task 3 names no image",
    ),
    "tasks of JSON-MIN": (
        with_text(LabelStudio, "a.json", '{"data": 1, "annotations": [], "result": 1}'),
        "no list of tasks",
    ),
    "image missing": (
        with_tree(coco_without_image, Coco),
        r"instances_train2017\.json: .*/train2017/a_001\.jpg is not there: export with images, add it, or",
    ),
    "two images of a name": (
        with_tree(coco_with_two_images, Coco),
        r"one/a\.jpg and .*two/a\.jpg could both be 'a\.jpg'",
    ),
    "run lengths of another size": (
        with_tree(coco_of_runs, Coco),
        r"labels\.json: what it says of a\.jpg .*10 pixels in a mask of 64x96; mend it in the tool",
    ),
    "label outside the table": (
        with_tree(trees.labelme, LabelMe, labels={"Road": 1, "car": 2}),
        r"6 faults: .*a_000\.json: the label 'road' is not in data\.layout\.labels: did you mean 'Road'\? add it there;",
    ),
    "result without a value": (
        with_text(LabelStudio, "a.json", '[{"data": {}, "annotations": [{"result": [{"type": "brushlabels"}]}]}]'),
        r"a\.json lacks 'value'; export it again",
    ),
    "annotation that is text": (
        with_text(LabelStudio, "a.json", '[{"data": {}, "annotations": ["result"]}]'),
        r"a\.json is not built as its tool builds it \('str' object has no attribute 'get'\); export it again",
    ),
    "image inside that is none": (
        with_text(LabelMe, "a.json", '{"shapes": [], "imagePath": "a.jpg", "imageData": "x"}'),
        r"a\.json has an image inside that cannot be read: export it again",
    ),
    "no classes": (with_tree(supervisely_without_classes, Supervisely), r"meta\.json lacks 'classes'; export it again"),
    "category of no name": (
        with_tree(coco_of_no_category, Coco),
        r"what it says of a\.jpg has category 55, which is none of its categories",
    ),
    "circle of a point": (
        with_tree(labelme_of_a_point, LabelMe),
        r"a\.json: what it says of a\.jpg has a circle of 1 points; mend it in the tool",
    ),
    "images of another size": (
        with_tree(coco_of_another_size, Coco),
        r"labels\.json: it was drawn on 64x96 pixels, and .*a\.jpg has 32x48: put the frames there that were labelled",
    ),
    "several cut off": (
        with_tree(labelme_cut_off, LabelMe),
        r"^2 faults: .*a_001\.json, line 1, column 20: no JSON .*; .*a_002\.json, line 1, column 1: no JSON",
    ),
    "no tree of that kind": (with_tree(trees.voc, Supervisely), r"lacks meta\.json and DATASET/ann/NAME\.json"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_one_line_with_the_file_and_the_remedy(name: str, tmp_path: Path) -> None:
    make, said = BROKEN[name]
    with pytest.raises(DataError, match=said) as caught:
        make(tmp_path).samples("train")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.part"))


def test_up_to_ten_faults_are_named_and_the_others_counted(tmp_path: Path) -> None:
    trees.dump(tmp_path / "labels.json", trees.coco_content([f"{n}.jpg" for n in range(12)]))
    with pytest.raises(DataError, match=r"^12 faults, the first 10 of which are: ") as caught:
        Coco(tmp_path).samples("train")
    assert str(caught.value).count("is not there") == 10


def test_a_split_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    trees.cvat(tmp_path)
    with pytest.raises(DataError, match=r"has no split 'val', but train \(6 frames\)"):
        Cvat(tmp_path).survey("val")
