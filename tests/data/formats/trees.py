"""The same scene as each tool writes it: a road over the lower half of 64x96 pixels, and on it a car."""

from __future__ import annotations

import base64
import csv
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from icnet.data.images import write_image

HEIGHT, WIDTH = 64, 96
ROAD = [(0, 32), (96, 32), (96, 64), (0, 64)]
CAR = [(24, 16), (56, 16), (56, 48), (24, 48)]
CAR_BOX = (24, 16, 32, 32)  # left, top, width, height
TRAIN, VAL = ("a_000", "a_001", "a_002", "a_003"), ("b_000", "b_001")
ALL = (*TRAIN, *VAL)
Tree = Callable[[Path], None]


def expected() -> npt.NDArray[np.uint8]:
    """Background 0, road 1, the car 2 over it."""
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[32:] = 1
    label[16:48, 24:56] = 2
    return label


def photo(path: Path) -> str:
    """Write a frame, each of its own; its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(list(path.name.encode())).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    write_image(path, noise)
    return path.name


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def png(pixels: npt.NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


def flat(points: list[tuple[int, int]]) -> list[float]:
    return [float(number) for point in points for number in point]


def runs(mask: npt.NDArray[Any], order: Any) -> list[int]:
    """Run lengths, pixels outside first."""
    line = np.concatenate([[0], mask.ravel(order), [2]])
    return np.diff(np.flatnonzero(np.diff(line)), prepend=0).tolist()


def coco_content(images: list[str], annotations: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Categories with gaps, and one that only groups the others, as Roboflow writes it."""
    if annotations is None:
        annotations = [
            {"image_id": 10 + number, "category_id": category, "segmentation": [flat(points)], "iscrowd": 0}
            for number in range(len(images))
            for category, points in ((3, ROAD), (90, CAR))
        ]
    return {
        "images": [
            {"id": 10 + n, "file_name": name, "height": HEIGHT, "width": WIDTH} for n, name in enumerate(images)
        ],
        "categories": [{"id": 3, "name": "road"}, {"id": 90, "name": "car"}, {"id": 91, "name": "sky"}],
        "annotations": annotations,
    }


def coco(root: Path) -> None:
    for split, names in (("train2017", TRAIN), ("val2017", VAL)):
        images = [photo(root / split / f"{name}.jpg") for name in names]
        dump(root / f"annotations/instances_{split}.json", coco_content(images))


def coco_of_roboflow(root: Path) -> None:
    for split, names in (("train", TRAIN), ("valid", VAL)):
        images = [photo(root / split / f"{name}.jpg") for name in names]
        dump(root / split / "_annotations.coco.json", coco_content(images))


def cvat_shape(tag: str, label: str, **attributes: object) -> str:
    return f'<{tag} label="{label}" ' + " ".join(f'{key}="{value}"' for key, value in attributes.items()) + "/>"


def cvat_polygon(label: str, points: list[tuple[int, int]], z_order: int = 0) -> str:
    return cvat_shape(
        "polygon", label, source="manual", points=";".join(f"{x:.2f},{y:.2f}" for x, y in points), z_order=z_order
    )


def cvat_file(path: Path, images: dict[str, list[str]]) -> None:
    """images: by name, their shapes."""
    body = "".join(
        f'<image id="{n}" name="{name}" width="{WIDTH}" height="{HEIGHT}">{"".join(shapes)}</image>'
        for n, (name, shapes) in enumerate(images.items())
    )
    labels = "".join(f"<label><name>{name}</name><color>#ff0000</color></label>" for name in ("road", "car"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><labels>{labels}'
        f"</labels></task></meta>{body}</annotations>"
    )


def cvat(root: Path) -> None:
    left, top, width, height = CAR_BOX
    car = cvat_shape(
        "mask", "car", rle=f"0, {width * height}", left=left, top=top, width=width, height=height, z_order=1
    )
    shapes = [car, cvat_polygon("road", ROAD)]
    cvat_file(root / "annotations.xml", {photo(root / f"images/{name}.jpg"): shapes for name in ALL})


def cvat_masks(root: Path) -> None:
    colours = np.array([(0, 0, 0), (128, 64, 128), (0, 0, 142)], np.uint8)
    for name in ALL:
        photo(root / f"JPEGImages/{name}.jpg")
        (root / "SegmentationClass").mkdir(exist_ok=True)
        write_image(root / f"SegmentationClass/{name}.png", colours[expected()])
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/default.txt").write_text("\n".join(ALL))
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:0,0,142::\nroad:128,64,128::\n"
    )


def labelme_content(image: str, shapes: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    if shapes is None:
        shapes = [
            {"label": "road", "points": ROAD, "group_id": None, "shape_type": "polygon", "flags": {}},
            {"label": "car", "points": [CAR[0], CAR[2]], "group_id": 1, "shape_type": "rectangle", "flags": {}},
        ]
    return {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": None,
            "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}  # fmt: skip


def labelme(root: Path) -> None:
    for name in ALL:
        dump(root / f"{name}.json", labelme_content(photo(root / f"{name}.jpg")))


def percent(points: list[tuple[int, int]]) -> list[list[float]]:
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points]


def labelstudio_polygon(label: str, points: list[tuple[int, int]]) -> dict[str, Any]:
    return {"type": "polygonlabels", "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0,
            "value": {"points": percent(points), "closed": True, "polygonlabels": [label]}}  # fmt: skip


def labelstudio(root: Path) -> None:
    results = [labelstudio_polygon("road", ROAD), labelstudio_polygon("car", CAR)]
    tasks = [
        {"id": n, "data": {"image": f"/data/upload/1/1f2e3d4c-{photo(root / f'images/{name}.jpg')}"},
         "annotations": [{"id": n, "was_cancelled": False, "ground_truth": False, "result": results}]}
        for n, name in enumerate(ALL)
    ]  # fmt: skip
    dump(root / "project-1-at-2026-01-01.json", tasks)


def supervisely_bitmap(label: str, mask: npt.NDArray[Any], left: int, top: int) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(png(mask.astype(np.uint8) * 255))).decode()
    return {"classTitle": label, "geometryType": "bitmap", "bitmap": {"data": data, "origin": [left, top]}}


def supervisely_polygon(label: str, exterior: list[tuple[int, int]], *holes: list[tuple[int, int]]) -> dict[str, Any]:
    return {"classTitle": label, "geometryType": "polygon", "points": {"exterior": exterior, "interior": list(holes)}}


def supervisely_content(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": objects}


def supervisely(root: Path) -> None:
    classes = [{"title": name, "shape": "any", "color": "#ff0000"} for name in ("road", "car")]
    dump(root / "meta.json", {"classes": classes, "tags": []})
    objects = [supervisely_polygon("road", ROAD), supervisely_bitmap("car", np.ones((32, 32)), 24, 16)]
    for split, names in (("train", TRAIN), ("val", VAL)):
        for name in names:
            dump(root / split / f"ann/{photo(root / split / f'img/{name}.jpg')}.json", supervisely_content(objects))


def roboflow(root: Path) -> None:
    for split, names in (("train", TRAIN), ("valid", VAL)):
        for name in names:
            photo(root / split / f"{name}_jpg.rf.0a1b.jpg")
            write_image(root / split / f"{name}_jpg.rf.0a1b_mask.png", expected())
        with (root / split / "_classes.csv").open("w", newline="") as file:
            file.write("Pixel Value, Class\n")
            csv.writer(file).writerows([(0, " background"), (1, " road"), (2, " car")])


def voc(root: Path) -> None:
    """Palette files, named as labelme2voc does."""
    (root / "SegmentationClass").mkdir()
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "labels.txt").write_text("background\nroad\ncar\n")
    for split, names in (("train", TRAIN), ("val", VAL)):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            photo(root / f"JPEGImages/{name}.jpg")
            image = Image.fromarray(expected(), "P")
            image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
            image.save(root / f"SegmentationClass/{name}.png")


def masks(root: Path) -> None:
    (root / "classes.txt").write_text("background\nroad\ncar\n")
    for name in ALL:
        photo(root / f"{name}.jpg")
        write_image(root / f"{name}_mask.png", expected())


def published(images: str, labels: str, train: str, val: str, values: tuple[int, int, int]) -> Tree:
    """Of a data set that has the scene with these values in place of 0, 1 and 2."""

    def make(root: Path) -> None:
        for split, names in ((train, TRAIN), (val, VAL)):
            for name in names:
                photo(root / images.format(split) / f"{name}.jpg")
                (root / labels.format(split)).mkdir(parents=True, exist_ok=True)
                write_image(root / labels.format(split) / f"{name}.png", np.array(values, np.uint8)[expected()])

    return make


ADE20K = published("images/{}", "annotations/{}", "training", "validation", (0, 7, 21))
COCO_STUFF = published("{}", "stuffthingmaps/{}", "train2017", "val2017", (255, 148, 2))
MAPILLARY = published("{}/images", "{}/labels", "training", "validation", (65, 13, 55))
BDD100K = published("images/10k/{}", "labels/sem_seg/masks/{}", "train", "val", (255, 0, 13))
