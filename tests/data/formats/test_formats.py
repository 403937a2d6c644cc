"""What each labelling tool writes, read as the label maps that it means."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as cocotools
from tests.data.formats import trees
from tests.data.formats.test_paint import HEAD, bits

from icnet.data.formats.coco import Coco
from icnet.data.formats.cvat import Cvat
from icnet.data.formats.drawn import DrawnLayout
from icnet.data.formats.labelme import LabelMe
from icnet.data.formats.labelstudio import LabelStudio
from icnet.data.formats.masks import find_pairs
from icnet.data.formats.roboflow import Roboflow
from icnet.data.formats.supervisely import Supervisely
from icnet.data.formats.voc import Voc
from icnet.data.images import read_pair, read_raw_label, write_image
from icnet.data.labels import ClassTable
from icnet.data.samples import Layout
from icnet.errors import DataError

THREE = ClassTable(["background", "road", "car"], [(0, 0, 0), (1, 1, 1), (2, 2, 2)])

FORMATS: dict[str, tuple[trees.Tree, Any, bool]] = {
    "coco": (trees.coco, Coco, True),
    "coco of roboflow": (trees.coco_of_roboflow, Coco, True),
    "cvat": (trees.cvat, Cvat, False),
    "labelme": (trees.labelme, LabelMe, False),
    "labelstudio": (trees.labelstudio, LabelStudio, False),
    "supervisely": (trees.supervisely, Supervisely, True),
    "roboflow": (trees.roboflow, Roboflow, True),
    "voc": (trees.voc, Voc, True),
    "masks": (trees.masks, find_pairs, False),
}


def values(layout: Layout) -> dict[str, int]:
    """By name; road and car are 1 and 2 in all trees, but for those that count in the alphabet's order."""
    return {name: value for value, name in layout.class_names.items()} if isinstance(layout, DrawnLayout) else {}


@pytest.mark.parametrize("name", FORMATS)
def test_a_tree_gives_the_frames_of_each_split_and_the_labels_that_were_drawn(name: str, tmp_path: Path) -> None:
    make, kind, has_val = FORMATS[name]
    make(tmp_path)
    layout = kind(tmp_path)
    assert layout.lacks() == []
    named = {"background": 0, "road": 1, "car": 2} | values(layout)
    expected = np.array([0, named["road"], named["car"]], np.uint8)[trees.expected()]
    for split, names in (("train", trees.TRAIN if has_val else trees.ALL), ("val", trees.VAL if has_val else ())):
        if names:
            samples = layout.samples(split)
            assert [sample.image.name[:5] for sample in samples] == list(names)
            for sample in samples:
                assert np.array_equal(read_raw_label(sample.label), expected)


def label_of(layout: Layout, split: str = "train") -> np.ndarray:
    """The first frame's."""
    return read_raw_label(layout.samples(split)[0].label)


def coco_of_one(root: Path, *annotations: dict[str, Any]) -> Coco:
    trees.photo(root / "images/day one/a.jpg")
    given = [{"image_id": 10, **annotation} for annotation in annotations]
    trees.dump(root / "labels.json", trees.coco_content(["day one/a.jpg"], given))
    return Coco(root)


def test_coco_knows_both_kinds_of_run_lengths_for_crowds_and_single_objects(tmp_path: Path) -> None:
    """Single objects lie over crowds, whatever their order."""
    car = trees.expected() == 2
    packed = cocotools.encode(np.asfortranarray(car, np.uint8))["counts"].decode()
    size = [trees.HEIGHT, trees.WIDTH]
    layout = coco_of_one(
        tmp_path,
        {"category_id": 90, "segmentation": {"size": size, "counts": packed}, "iscrowd": 0},
        {
            "category_id": 3,
            "segmentation": {"size": size, "counts": trees.runs(trees.expected() > 0, "F")},
            "iscrowd": 1,
        },
    )
    assert np.array_equal(label_of(layout), trees.expected())


def test_an_object_of_several_polygons_is_all_of_them_and_a_later_one_covers_it(tmp_path: Path) -> None:
    layout = coco_of_one(
        tmp_path,
        {"category_id": 3, "segmentation": [trees.flat(trees.ROAD), trees.flat([(0, 0), (96, 0), (96, 40), (0, 40)])]},
        {"category_id": 90, "segmentation": [trees.flat(trees.CAR)]},
    )
    assert (label_of(layout) == np.where(trees.expected() == 2, 2, 1)).all()
    assert "17 % of the pixels lie under shapes of several classes" in layout.survey("train").notes[0]


def test_a_mask_of_cvat_lies_by_z_order_and_its_run_lengths_are_of_rows(tmp_path: Path) -> None:
    trees.photo(tmp_path / "images/a.jpg")
    triangle = np.tri(32, dtype=bool)
    mask = trees.cvat_shape(
        "mask",
        "car",
        rle=", ".join(map(str, trees.runs(triangle, "C"))),
        left=24,
        top=16,
        width=32,
        height=32,
        z_order=2,
    )
    trees.cvat_file(tmp_path / "annotations.xml", {"a.jpg": [mask, trees.cvat_polygon("road", trees.ROAD, z_order=1)]})
    expected = np.where(np.arange(64)[:, None] < 32, 0, 1).repeat(96, 1)
    expected[16:48, 24:56][triangle] = 2
    assert np.array_equal(label_of(Cvat(tmp_path)), expected)


def cvat_of_one(root: Path, *shapes: str) -> Cvat:
    trees.cvat_file(root / "annotations.xml", {trees.photo(root / "images/a.jpg"): list(shapes)})
    return Cvat(root)


def test_boxes_and_ellipses_of_cvat_are_drawn_by_z_order(tmp_path: Path) -> None:
    layout = cvat_of_one(
        tmp_path,
        trees.cvat_shape("ellipse", "car", cx=48, cy=32, rx=30, ry=20, z_order=2),
        trees.cvat_shape("box", "road", xtl=0, ytl="32.00", xbr=96, ybr=64, z_order=1),
    )
    row, column = np.mgrid[:64, :96] + 0.5
    inside = ((column - 48) / 30) ** 2 + ((row - 32) / 20) ** 2 < 1
    expected = np.where(inside, 2, np.where(row > 32, 1, 0))
    assert np.count_nonzero(label_of(layout) != expected) < 0.005 * inside.sum()
    assert layout.survey("train").notes == [f"train: {100 * (inside & (row > 32)).mean():.2g} % of the pixels lie under "
        "shapes of several classes: the last one counts"]  # fmt: skip


@pytest.mark.parametrize("kind", ["box", "ellipse"])
def test_a_turn_of_cvat_is_clockwise_in_degrees_about_the_centre(kind: str, tmp_path: Path) -> None:
    """A quarter turn makes 60x20 of 20x60; an eighth takes the right end down, which is where rows grow."""
    place = {"box": {"xtl": 18, "ytl": 22, "xbr": 78, "ybr": 42}, "ellipse": {"cx": 48, "cy": 32, "rx": 30, "ry": 10}}

    def drawn(degrees: float) -> np.ndarray:
        root = tmp_path / str(degrees)
        return label_of(cvat_of_one(root, trees.cvat_shape(kind, "road", rotation=degrees, **place[kind]))) == 1

    flat, upright, falling = drawn(0), drawn(90), drawn(45)
    assert (np.flatnonzero(flat[32])[[0, -1]] == [18, 77]).all()
    assert (np.flatnonzero(upright[:, 48])[[0, -1]] == [2, 61]).all()
    assert upright.sum() == pytest.approx(flat.sum(), rel=0.01)
    assert [falling[32 + 16, 48 + 16], falling[32 - 16, 48 - 16]] == [True, True]
    assert [falling[32 - 16, 48 + 16], falling[32 + 16, 48 - 16]] == [False, False]


def test_what_covers_no_area_in_cvat_is_counted_by_its_kind(tmp_path: Path) -> None:
    line = trees.cvat_shape("polyline", "road", points="0,0;90,60")
    skeleton = '<skeleton label="car"><points label="1" points="3,4"/></skeleton>'
    layout = cvat_of_one(tmp_path, line, line, skeleton, trees.cvat_polygon("road", trees.ROAD), '<tag label="car"/>')
    assert (label_of(layout) == (trees.expected() > 0) * (np.arange(64)[:, None] >= 32)).all()
    assert layout.survey("train").notes == ["train: left out, since they are no areas: polyline (2), skeleton (1)"]


def test_a_frame_of_two_jobs_of_cvat_has_the_shapes_of_both(tmp_path: Path) -> None:
    for job, shape in (
        ("job_1", trees.cvat_polygon("road", trees.ROAD)),
        ("job_2", trees.cvat_polygon("car", trees.CAR)),
    ):
        trees.cvat_file(tmp_path / job / "annotations.xml", {"a.jpg": [shape]})
    trees.photo(tmp_path / "frames/a.jpg")
    assert np.array_equal(label_of(Cvat(tmp_path)), trees.expected())


def test_frames_of_a_video_have_no_suffix_in_cvat(tmp_path: Path) -> None:
    """And capital letters on disk; the label maps beside them are not taken for them."""
    for name in ("frame_000000", "frame_000001"):
        trees.photo(tmp_path / f"images/{name}.PNG")
    trees.cvat_file(tmp_path / "annotations.xml", {"frame_000000": [], "frame_000001": []})
    assert [sample.image.name for sample in Cvat(tmp_path).samples("train")] == ["frame_000000.PNG", "frame_000001.PNG"]
    trees.dump(tmp_path / "coco/Labels.JSON", trees.coco_content([trees.photo(tmp_path / "coco/a.jpg")]))
    trees.photo(tmp_path / "coco/masks/a.jpg.png")
    assert Coco(tmp_path / "coco").samples("train")[0].image.name == "a.jpg"


def test_ellipses_are_areas(tmp_path: Path) -> None:
    """Around (48, 32), 20 to either side and 10 up and down; turned by a right angle the other way round."""
    area = {"cx": 48, "cy": 32, "rx": 20, "ry": 10}
    for name, turned in (("flat", {}), ("upright", {"rotation": 90})):
        root = tmp_path / name
        trees.cvat_file(
            root / "annotations.xml",
            {trees.photo(root / "images/a.jpg"): [trees.cvat_shape("ellipse", "car", **area, **turned)]},
        )
        rows, columns = np.nonzero(label_of(Cvat(root)))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert (height, width) == ((20, 40) if name == "flat" else (40, 20))
        assert len(rows) == pytest.approx(np.pi * 20 * 10, rel=0.02)
    ellipse = {"x": 50, "y": 50, "radiusX": 100 * 20 / 96, "radiusY": 100 * 10 / 64, "ellipselabels": ["car"]}
    result = trees.labelstudio_polygon("car", trees.CAR) | {"type": "ellipselabels", "value": ellipse}
    layout = labelstudio_of_one(tmp_path / "studio", {"result": [result]})
    assert np.array_equal(label_of(layout) > 0, label_of(Cvat(tmp_path / "flat")) > 0)


def test_what_was_drawn_without_a_label_is_left_out(tmp_path: Path) -> None:
    nameless = trees.labelstudio_polygon("car", trees.CAR)
    del nameless["value"]["polygonlabels"]
    layout = labelstudio_of_one(tmp_path, {"result": [trees.labelstudio_polygon("road", trees.ROAD), nameless]})
    assert np.unique(label_of(layout)).tolist() == [0, 1]
    assert "no areas: polygonlabels without a label (1)" in layout.survey("train").notes[0]


def labelme_of_one(root: Path, shapes: list[dict[str, Any]], **more: Any) -> LabelMe:
    trees.dump(root / "a.json", trees.labelme_content(trees.photo(root / "a.png"), shapes, **more))
    return LabelMe(root)


def test_labelme_draws_circles_and_masks_but_no_lines(tmp_path: Path) -> None:
    """A circle of radius 10 covers about 314 pixels; corners of a mask are its first and last pixels."""
    mask = base64.b64encode(trees.png(np.tri(4, 8, dtype=np.uint8))).decode()
    layout = labelme_of_one(
        tmp_path,
        [
            {"label": "road", "points": [[40, 32], [50, 32]], "shape_type": "circle"},
            {"label": "car", "points": [[0, 0], [7, 3]], "shape_type": "mask", "mask": mask},
            {"label": "line", "points": [[0, 0], [90, 60]], "shape_type": "line"},
        ],
    )
    label = label_of(layout)
    assert layout.class_names == {0: "background", 1: "car", 2: "road"}
    assert abs(np.count_nonzero(label == 2) - np.pi * 100) < 4
    assert np.array_equal(label[:4, :8], np.tri(4, 8))
    assert layout.survey("train").notes == ["train: left out, since they are no areas: line (1)"]


def test_labelme_brings_its_image_where_there_is_no_other(tmp_path: Path) -> None:
    trees.photo(tmp_path / "a.png")
    data = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    (tmp_path / "a.png").unlink()
    trees.dump(tmp_path / "labels/b.json", trees.labelme_content("..\\images\\a.png", imageData=data))
    sample = LabelMe(tmp_path).samples("train")[0]
    assert sample.image == tmp_path / "drawn/labels/b.png"
    assert read_pair(*sample, THREE)[0].shape == (trees.HEIGHT, trees.WIDTH, 3)


def test_a_bitmap_of_supervisely_lies_at_its_origin_and_a_polygon_has_its_holes(tmp_path: Path) -> None:
    trees.dump(tmp_path / "meta.json", {"classes": [{"title": "road"}, {"title": "car"}]})
    objects = [
        trees.supervisely_polygon(
            "road", [(0, 0), (96, 0), (96, 64), (0, 64)], [(10, 10), (20, 10), (20, 20), (10, 20)]
        ),
        trees.supervisely_bitmap("car", np.tri(5), 90, 2),
        {"classTitle": "car", "geometryType": "rectangle", "points": {"exterior": [[0, 0], [9, 9]], "interior": []}},
    ]
    trees.dump(tmp_path / "ds0/ann/a.jpg.json", trees.supervisely_content(objects))
    trees.photo(tmp_path / "ds0/img/a.jpg")
    label = label_of(Supervisely(tmp_path))
    assert (label[10:20, 10:20] == 0).all()
    assert np.array_equal(label[2:7, 90:95], np.tri(5) + 1)
    assert np.count_nonzero(label == 1) == 64 * 96 - 100 - 15


def labelstudio_of_one(root: Path, *annotations: dict[str, Any]) -> LabelStudio:
    trees.photo(root / "pictures/a b.jpg")
    task = {"id": 7, "data": {"image": "/data/local-files/?d=pictures/a%20b.jpg"}, "annotations": list(annotations)}
    trees.dump(root / "export.json", [task, {**task, "annotations": []}])
    return LabelStudio(root)


def test_label_studio_takes_the_ground_truth_or_else_the_last_annotation(tmp_path: Path) -> None:
    road, car = trees.labelstudio_polygon("road", trees.ROAD), trees.labelstudio_polygon("car", trees.CAR)
    brush = [
        (trees.HEIGHT * trees.WIDTH * 4, 32),
        *HEAD,
        (1, 1),
        (3, 2),
        (trees.HEIGHT * trees.WIDTH * 4 - 1, 16),
        (255, 8),
    ]
    whole = {**road, "type": "brushlabels", "value": {"format": "rle", "rle": bits(*brush), "brushlabels": ["road"]}}
    first, last = {"result": [road]}, {"result": [whole, car]}
    layout = labelstudio_of_one(tmp_path / "last", first, last, {"result": [], "was_cancelled": True})
    assert np.array_equal(label_of(layout), np.where(trees.expected() == 2, 1, 2)), "car is 1: the alphabet's order"
    layout = labelstudio_of_one(tmp_path / "truth", {**first, "ground_truth": True}, last)
    assert np.unique(label_of(layout)).tolist() == [0, 1]


def test_folders_and_subsets_tell_the_split_but_names_of_frames_do_not(tmp_path: Path) -> None:
    for name in ("val/test_1.jpg", "test_2.jpg"):
        trees.photo(tmp_path / name)
    trees.cvat_file(tmp_path / "annotations.xml", {"val/test_1.jpg": [], "test_2.jpg": []})
    layout = Cvat(tmp_path)
    assert [sample.image.name for split in ("val", "train") for sample in layout.samples(split)] == [
        "test_1.jpg",
        "test_2.jpg",
    ]


def test_of_two_images_beside_a_file_of_labelme_the_one_that_it_names_is_taken(tmp_path: Path) -> None:
    trees.photo(tmp_path / "a.jpg")
    assert labelme_of_one(tmp_path, []).samples("train")[0].image == tmp_path / "a.png"


def test_voc_finds_each_frame_of_its_lists_once(tmp_path: Path) -> None:
    trees.voc(tmp_path)
    trees.photo(tmp_path / "JPEGImages/a_000.png")
    with pytest.raises(DataError, match=r"train\.txt, line 1: a_000: .*a_000\.jpg and .*a_000\.png could both be it"):
        Voc(tmp_path).samples("train")


MASKS = {
    "beside": ("{}.jpg", "{}_mask.png"),
    "suffix of CamVid": ("{}.png", "{}_L.png"),
    "same name": ("{}.jpg", "{}.png"),
    "masks": ("images/{}.jpg", "masks/{}.png"),
    "masks within": ("{}.jpg", "masks/{}_label.bmp"),
    "imgs": ("imgs/day/{}.jpg", "masks/day/{}.tif"),
    "capitals": ("Images/{}.JPG", "Masks/{}.PNG"),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_found_by_the_names_that_people_give_them(name: str, tmp_path: Path) -> None:
    for frame in trees.ALL:
        trees.photo(tmp_path / MASKS[name][0].format(frame))
        mask = tmp_path / MASKS[name][1].format(frame)
        mask.parent.mkdir(parents=True, exist_ok=True)
        write_image(mask, trees.expected())
    survey = find_pairs(tmp_path).survey("train")
    assert [sample.image.stem for sample in survey.samples] == list(trees.ALL)
    assert (survey.refused, survey.orphans, survey.unread) == ([], [], [])
    with pytest.raises(DataError, match="not divided into splits"):
        find_pairs(tmp_path).survey("val")


@pytest.mark.parametrize(
    ("images", "labels"), [("{}/image", "{}/Label"), ("images/{}", "annotations/{}"), ("{}", "{}_masks")]
)
@pytest.mark.parametrize("names", [("Train", "Val"), ("train2017", "val2017"), ("training", "validation")])
def test_masks_in_splits_of_any_name_are_found(
    images: str, labels: str, names: tuple[str, str], tmp_path: Path
) -> None:
    for name in names:
        trees.photo(tmp_path / images.format(name) / "a.jpg")
        (tmp_path / labels.format(name)).mkdir(parents=True)
        write_image(tmp_path / labels.format(name) / "a.png", trees.expected())
    layout = find_pairs(tmp_path)
    assert [layout.samples(split)[0].image.parts[-len(images.split("/")) - 1 :] for split in ("train", "val")] == [
        (*images.format(name).split("/"), "a.jpg") for name in names
    ]


def test_masks_may_be_gif(tmp_path: Path) -> None:
    trees.photo(tmp_path / "train/a.jpg")
    (tmp_path / "train_masks").mkdir()
    Image.fromarray(trees.expected()).save(tmp_path / "train_masks/a_mask.gif")
    (sample,) = find_pairs(tmp_path).samples("train")
    assert np.array_equal(read_raw_label(sample.label, "ids"), trees.expected())
