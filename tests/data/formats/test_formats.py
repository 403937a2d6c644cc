"""What each labelling tool writes, read as the label maps that it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.formats import trees

from icnet.data.formats.coco import Coco
from icnet.data.formats.cvat import Cvat
from icnet.data.formats.labelme import LabelMe
from icnet.data.formats.labelstudio import LabelStudio
from icnet.data.formats.masks import find_pairs
from icnet.data.formats.roboflow import Roboflow
from icnet.data.formats.supervisely import Supervisely
from icnet.data.formats.voc import Voc
from icnet.data.images import read_raw_label
from icnet.data.layouts import Layout, Named

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
    return {name: value for value, name in layout.class_names.items()} if isinstance(layout, Named) else {}


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
