"""CamVid's originals become the 11 classes and three splits of SegNet."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from icnet.data.camvid import GROUPS, VOID, convert, is_original, split_of
from icnet.data.images import read_image, read_raw_label, write_image
from icnet.errors import DataError
from icnet.files import conf_folder

CAMVID = os.environ.get("ICNET_CAMVID")
NAMES = ("0006R0_f00930", "0016E5_07959", "Seq05VD_f00000")  # one of each split


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """Three frames of 8x6 pixels: each label holds all 32 colours and one that is none of them."""
    root = tmp_path / "originals"
    for folder in ("701_StillsRaw_full", "LabeledApproved_full"):
        (root / folder).mkdir(parents=True)
    colours = [colour for group in GROUPS.values() for colour in group.values()] + [(0, 0, 0), (1, 2, 3)]
    label = np.zeros((8, 6, 3), np.uint8)
    label.reshape(-1, 3)[: len(colours)] = colours
    for seed, name in enumerate(NAMES):
        image = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)
        write_image(root / "701_StillsRaw_full" / f"{name}.png", image)
        write_image(root / "LabeledApproved_full" / f"{name}_L.png", label)
    return root


def test_the_groups_are_the_classes_of_the_configuration_and_hold_31_colours() -> None:
    table = yaml.safe_load((conf_folder() / "data" / "classes" / "camvid.yaml").read_text())
    assert list(GROUPS) == table["names"]
    assert table["ignored_ids"] == [VOID]
    colours = [colour for group in GROUPS.values() for colour in group.values()]
    assert len(colours) == len(set(colours)) == 31


@pytest.mark.skipif(not CAMVID, reason="ICNET_CAMVID names no folder")
def test_the_splits_are_those_of_the_published_frames() -> None:
    for split in ("train", "val"):
        names = {path.stem for path in (Path(str(CAMVID)) / "images" / split).iterdir()}
        assert {split_of(name) for name in names} == {split}


def test_the_splits_of_all_701_frames_have_the_published_sizes() -> None:
    """Frames are every 30th of a video, every second one of a stretch of 0016E5; two of those and 00901 are off the grid."""
    names = [f"0001TP_{n:06d}" for n in range(6690, 10381, 30)]
    names += [f"0006R0_f{n:05d}" for n in range(930, 3931, 30)]
    names += [f"Seq05VD_f{n:05d}" for n in range(0, 5101, 30)]
    names += [
        f"0016E5_{n:05d}"
        for first, last in ((390, 2400), (4350, 7920), (8190, 8640))
        for n in range(first, last + 1, 30)
    ]
    names += [f"0016E5_{n:05d}" for n in range(7959, 8160, 2)]
    counts = {split: sum(split_of(name) == split for name in names) for split in ("train", "val", "test")}
    assert counts == {"train": 367, "val": 101, "test": 233}


def test_every_colour_becomes_its_class_and_others_void(originals: Path, tmp_path: Path) -> None:
    done = convert(originals, tmp_path / "camvid", half=False)
    assert done.frames == {"train": 1, "val": 1, "test": 1}
    assert done.unknown == 3
    label = read_raw_label(tmp_path / "camvid/labels/train/0006R0_f00930.png").ravel()
    sizes = [len(group) for group in GROUPS.values()]
    assert label[:31].tolist() == [index for index, size in enumerate(sizes) for _ in range(size)]
    assert set(label[31:].tolist()) == {VOID}


def test_frames_keep_their_pixels_at_full_size_and_their_means_at_half(originals: Path, tmp_path: Path) -> None:
    name = "val/0016E5_07959.png"
    image = read_image(originals / "701_StillsRaw_full/0016E5_07959.png")
    convert(originals, tmp_path / "full", half=False)
    convert(originals, tmp_path / "half", half=True)
    assert np.array_equal(read_image(tmp_path / "full/images" / name), image)
    small = read_image(tmp_path / "half/images" / name).astype(int)
    means = image.reshape(4, 2, 3, 2, 3).mean((1, 3))
    assert small.shape == (4, 3, 3)
    assert np.abs(small - means).max() <= 0.5
    full_label, half_label = (read_raw_label(tmp_path / size / "labels" / name) for size in ("full", "half"))
    cells = full_label.reshape(4, 2, 3, 2).transpose(0, 2, 1, 3).reshape(4, 3, 4)
    assert (cells == half_label[:, :, None]).any(-1).all()


def test_labels_may_lie_beside_the_folder_of_frames(originals: Path, tmp_path: Path) -> None:
    for path in (originals / "LabeledApproved_full").iterdir():
        path.rename(originals / path.name)
    (originals / "LabeledApproved_full").rmdir()
    assert is_original(originals)
    assert sum(convert(originals, tmp_path / "camvid", half=False).frames.values()) == 3


def test_a_conversion_that_fails_leaves_nothing(originals: Path, tmp_path: Path) -> None:
    (originals / "LabeledApproved_full" / f"{NAMES[2]}_L.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"Seq05VD_f00000_L\.png is empty"):
        convert(originals, tmp_path / "out" / "camvid", half=False)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: (r / "LabeledApproved_full" / f"{NAMES[0]}_L.png").unlink(), r"has no label: expected .*_L\.png"),
        (lambda r: (r / "701_StillsRaw_full" / "cat.png").touch(), r"cat\.png has no label"),
        (lambda r: [p.unlink() for p in (r / "701_StillsRaw_full").iterdir()], "holds no frames"),
    ],
)
def test_originals_that_are_not_whole_are_one_line(spoil: object, said: str, originals: Path, tmp_path: Path) -> None:
    spoil(originals)  # type: ignore[operator]
    with pytest.raises(DataError, match=said):
        convert(originals, tmp_path / "camvid", half=False)


def test_a_folder_with_something_in_it_is_left_alone(originals: Path, tmp_path: Path) -> None:
    (tmp_path / "camvid").mkdir()
    (tmp_path / "camvid" / "precious.txt").touch()
    with pytest.raises(DataError, match=r"camvid is not empty: choose another task\.convert"):
        convert(originals, tmp_path / "camvid", half=False)
    assert [p.name for p in (tmp_path / "camvid").iterdir()] == ["precious.txt"]
