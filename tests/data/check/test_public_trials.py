"""What people's own label files and photographs look like, through the check and the reader that training has."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from icnet.data.check.check import check_data
from icnet.data.check.facts import Facts
from icnet.data.check.findings import Kind, by_kind
from icnet.data.check.propose import explain, propose_classes, read_names
from icnet.data.division import Division
from icnet.data.images import read_image, read_label, read_pair, write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import FolderLayout
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)])
SIZE = (48, 64)
RED, GREEN, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 0), (255, 255, 255)
RNG = np.random.default_rng(0)
Array = np.ndarray[Any, np.dtype[Any]]


def shapes(values: Sequence[Any], size: tuple[int, int] = SIZE) -> Array:
    """A label map of the first value with a disc of each other one."""
    label = np.full((*size, *np.shape(values[0])), values[0], np.uint8)
    for place, value in enumerate(values[1:]):
        middle = (12 + 18 * place, size[0] // 2)
        cv2.circle(label, middle, 8, np.asarray(value).tolist(), -1)
    return label


def data_set(root: Path, labels: Mapping[str, Array | Image.Image]) -> Path:
    """Frames of noise, named split/name, with these labels."""
    for name, label in labels.items():
        for kind in ("images", "labels"):
            (root / kind / name).parent.mkdir(parents=True, exist_ok=True)
        picture = label if isinstance(label, Image.Image) else Image.fromarray(label)
        write_image(root / f"images/{name}.png", RNG.integers(0, 256, (picture.height, picture.width, 3), np.uint8))
        picture.save(root / f"labels/{name}.png")
    return root


def proposed(root: Path) -> Facts:
    """What task=prepare finds where nobody named classes."""

    def propose(facts: Facts) -> ClassTable | None:
        try:
            return propose_classes(facts.values, read_names(root), facts.form)
        except DataError:
            return None

    layout, division = FolderLayout(root), Division(["train"], ["val"])
    return check_data(layout, ["train", "val"], None, propose=propose, division=division)


def read_all(root: Path, facts: Facts) -> list[Array]:
    """The labels of training as it reads them with the classes of a proposal."""
    assert facts.classes is not None
    table = ClassTable(**facts.classes.to_dict())  # as a checkpoint brings it back
    return [read_label(sample.label, table) for sample in FolderLayout(root).samples("train")]


def said(facts: Facts) -> dict[Kind, list[str]]:
    return by_kind(facts.findings)


def blurred(label: Array) -> Array:
    return np.asarray(Image.fromarray(label).resize((96, 72), Image.Resampling.BILINEAR))


def through_jpeg(label: Array) -> Array:
    file = io.BytesIO()
    Image.fromarray(label).save(file, "JPEG", quality=75)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("blend", [blurred, through_jpeg])
@pytest.mark.parametrize("values", [(0, 255), (0, 20, 40, 60)])
def test_a_grey_mask_that_was_blended_is_named_and_proposes_no_class(
    tmp_path: Path, blend: Callable[[Array], Array], values: Sequence[int]
) -> None:
    """The masks of the other files are whole, and tell the classes."""
    whole = shapes(values)
    root = data_set(tmp_path, {"train/a": whole, "train/b": blend(whole), "val/c": whole})
    facts = proposed(root)
    (line,) = said(facts)[Kind.BLENDED]
    assert re.search(r"labels/train/b\.png holds \d+ different ids, \d+ of which lie along edges alone", line)
    assert facts.classes is not None
    assert facts.classes.ids == values


def test_many_classes_and_thin_things_are_not_taken_for_blended(tmp_path: Path) -> None:
    """Forty classes in areas of 8x8 pixels, and a pole of two pixels' width."""
    label = np.repeat(np.repeat(np.arange(40).reshape(5, 8), 8, axis=0), 8, axis=1).astype(np.uint8)
    label[:, 30:32] = 40
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    assert Kind.BLENDED not in said(proposed(root))


def palette_label(label: Array, colors: Sequence[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(label, "P")
    image.putpalette([channel for color in colors for channel in color])
    return image


def test_palettes_that_differ_by_file_are_read_by_their_colours(tmp_path: Path) -> None:
    """As GIMP and pngquant write them: the places in the order in which a picture has the colours."""
    places = shapes([0, 1])
    root = data_set(
        tmp_path,
        {
            "train/a": palette_label(places, [WHITE, RED]),
            "train/b": palette_label(places, [WHITE, GREEN]),
            "val/c": palette_label(places, [RED, WHITE]),
        },
    )
    facts = proposed(root)
    assert facts.classes is not None
    assert (facts.classes.form, set(facts.classes.colors)) == ("colors", {WHITE, RED, GREEN})
    first, second = read_all(root, facts)
    classes = dict(enumerate(facts.classes.colors))
    assert [classes[int(label[0, 0])] for label in (first, second)] == [WHITE, WHITE]
    assert [classes[int(label[24, 12])] for label in (first, second)] == [RED, GREEN]
    lines = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))[Kind.PALETTES]
    assert "labels/train/a.png and" in lines[0]
    assert "data.classes.form=colors" in lines[0]


def test_a_palette_that_all_files_share_leaves_ids(tmp_path: Path) -> None:
    """Also where one file holds fewer of them: Pillow cuts the palette there."""
    labels = {"train/a": shapes([0, 1, 2]), "train/b": shapes([0, 2]), "val/c": shapes([1, 2])}
    root = data_set(tmp_path, {name: palette_label(label, [BLACK, RED, GREEN]) for name, label in labels.items()})
    facts = proposed(root)
    assert facts.classes is not None
    assert (facts.classes.form, facts.classes.ids) == (None, (0, 1, 2))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_ids_in_three_equal_channels_are_ids(tmp_path: Path, mode: str) -> None:
    label = shapes([0, 1, 2, 255])
    root = data_set(tmp_path, {f"{split}/a": Image.fromarray(label).convert(mode) for split in ("train", "val")})
    facts = proposed(root)
    assert facts.classes is not None
    assert (facts.classes.form, facts.classes.ids) == ("ids", (0, 1, 2))
    assert np.array_equal(read_all(root, facts)[0], label)


def test_a_mask_in_the_alpha_channel_is_read_from_there(tmp_path: Path) -> None:
    mask = shapes([0, 255])
    label = np.dstack([np.full((*SIZE, 3), 200, np.uint8), mask])
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    facts = proposed(root)
    assert facts.classes is not None
    assert (facts.classes.form, facts.classes.ids) == ("alpha", (0, 255))
    assert facts.classes.names == ("background", "object")
    assert np.array_equal(read_all(root, facts)[0], mask // 255)


def test_much_black_beside_several_colours_is_a_class_and_is_asked_for(tmp_path: Path) -> None:
    label = shapes([BLACK, RED, GREEN])
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    facts = proposed(root)
    assert facts.classes is not None
    assert (facts.classes.names[0], facts.classes.colors[0]) == ("background", BLACK)
    share = 100 * (label == 0).all(axis=-1).mean()
    (line,) = explain(facts.classes, facts.values, read_names(root))
    assert line.startswith(f"Is black a class? It has {share:.0f} % of the pixels")


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_masks_of_0_and_1_or_all_bits_are_background_and_object(tmp_path: Path, top: int) -> None:
    label = shapes([0, 255])
    mask = label // 255 if top == 1 else label if top == 255 else label.astype(np.uint16) * 257
    root = data_set(tmp_path, {"train/a": mask, "val/b": mask})
    facts = proposed(root)
    assert facts.classes is not None
    assert (facts.classes.ids, facts.classes.names) == ((0, top), ("background", "object"))
    assert np.array_equal(read_all(root, facts)[0], label // 255)
    asked = list(explain(facts.classes, facts.values, read_names(root)))
    assert not asked if top == 1 else asked[0].startswith(f"{top} is proposed as a class, 'object'")


def test_16_bit_ids_with_65535_for_void_are_whole_files(tmp_path: Path) -> None:
    label = shapes([0, 1, 2]).astype(np.uint16)
    label[:5] = 65535
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    facts = proposed(root)
    assert said(facts) == {}
    assert facts.classes is not None
    assert facts.classes.ids == (0, 1, 2)
    assert np.array_equal(read_all(root, facts)[0], np.where(label == 65535, 255, label))


def test_one_label_file_of_another_form_is_named(tmp_path: Path) -> None:
    ids = shapes([0, 1])
    root = data_set(tmp_path, {"train/a": ids, "train/b": shapes([RED, GREEN]), "train/c": ids, "val/d": ids})
    facts = proposed(root)
    (line,) = said(facts)[Kind.OTHER_FORM]
    assert "labels/train/b.png holds colours, where 3 of 4 label files hold ids" in line
    assert facts.classes is not None
    assert facts.classes.ids == (0, 1)


def test_a_proposal_says_what_validation_lacks(tmp_path: Path) -> None:
    void = np.full(SIZE, 255, np.uint8)
    root = data_set(tmp_path, {"train/a": shapes([0, 1, 2]), "train/b": void, "val/c": shapes([0, 1])})
    lines = said(proposed(root))
    assert lines[Kind.ABSENT_CLASS] == ["no label of val that was read holds class_2, others do"]
    assert [line.partition("labels/")[2] for line in lines[Kind.NOTHING_LABELLED]] == [
        "train/b.png ignores every pixel"
    ]
    data_set(tmp_path, {"val/c": void})
    assert said(proposed(root))[Kind.VOID_SPLIT][0].startswith("no label of val that was read has a labelled pixel")


@pytest.mark.parametrize(
    ("drawn", "classes", "meant"),
    [
        ([0, 255], CLASSES, "255 is probably car, not void; say data.values={0: road, 255: car}"),
        ([0, 128], CLASSES, "128 is probably car; say data.values={0: road, 128: car}"),
        ([0, 20], CLASSES, "20 is probably car; say data.values={0: road, 20: car}"),
        ([1, 2], CLASSES, "2 is probably car; say data.values={1: road, 2: car}"),
    ],
)
def test_values_that_fit_no_class_are_told_what_they_probably_mean(
    tmp_path: Path, drawn: list[int], classes: ClassTable, meant: str
) -> None:
    label = shapes(drawn)
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    lines = said(check_data(FolderLayout(root), ["train", "val"], classes))
    assert lines[Kind.MEANT][0].endswith(meant)
    assert "labels/val/b.png holds" in lines[Kind.MEANT][0]


def test_values_that_fit_are_not_given_another_meaning(tmp_path: Path) -> None:
    label = shapes([0, 1, 255])
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    assert said(check_data(FolderLayout(root), ["train", "val"], CLASSES)) == {}


def photograph(path: Path, orientation: int, pixels: Array) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_label_that_lies_as_its_photograph_is_stored_is_turned_with_it(tmp_path: Path, orientation: int) -> None:
    """The label is a channel of the photograph itself, so that both must come out alike."""
    stored = RNG.integers(0, 2, (40, 60), np.uint8)
    photograph(tmp_path / "a.png", orientation, np.dstack([stored] * 3))
    write_image(tmp_path / "l.png", stored)
    image, label = read_pair(tmp_path / "a.png", tmp_path / "l.png", CLASSES)
    assert label.shape == (60, 40)
    assert np.array_equal(image[..., 0], label)


def test_photographs_that_are_turned_are_told_and_asked_for_where_sizes_tell_nothing(tmp_path: Path) -> None:
    label = shapes([0, 1])
    root = data_set(tmp_path, {f"train/{name}": label for name in "abcd"} | {"val/e": label})
    noise = RNG.integers(0, 256, (5, *SIZE, 3), np.uint8)
    photograph(root / "images/train/a.png", 6, noise[0])  # the label as it is stored
    photograph(root / "images/train/b.png", 6, noise[1].transpose(1, 0, 2).copy())  # the label upright
    photograph(root / "images/train/c.png", 3, noise[2])  # half a turn: the label may be either
    photograph(root / "images/train/d.png", 1, noise[3].transpose(1, 0, 2).copy())  # no tag: a label on its side
    lines = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))
    assert set(lines) == {Kind.TURNED, Kind.PERHAPS_TURNED, Kind.SIZE_MISMATCH}
    assert ["and its label a.png, which is not" in line for line in lines[Kind.TURNED]] == [True, False]
    assert "train/c.png is read as its EXIF tag says (3)" in lines[Kind.PERHAPS_TURNED][0]
    assert lines[Kind.SIZE_MISMATCH][0].endswith("its label d.png is 48x64: turn the label")


def test_a_crop_that_outliers_would_make_small_names_them(tmp_path: Path) -> None:
    large = {f"train/{number}": shapes([0, 1], (96, 128)) for number in range(9)}
    root = data_set(tmp_path, large | {"val/small": shapes([0, 1], (33, 40))})
    (line,) = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))[Kind.ODD_SIZE]
    assert "images/val/small.png is 33x40, where 9 of 10 frames are 96x128" in line


def test_the_bits_that_16_bit_images_use_are_found_and_said(tmp_path: Path) -> None:
    """4000 needs twelve bits; of these the highest eight are 4000 >> 4 = 250."""
    label = shapes([0, 1])
    root = data_set(tmp_path, {"train/a": label, "val/b": label})
    for name in ("train/a", "val/b"):
        write_image(root / f"images/{name}.png", RNG.integers(0, 4001, (*SIZE, 3), np.uint16).clip(0, 4000))
    write_image(root / "images/train/a.png", np.full((*SIZE, 3), (4000, 160, 16), np.uint16))
    facts = check_data(FolderLayout(root), ["train", "val"], CLASSES)
    assert facts.bit_depth == 12
    assert said(facts)[Kind.BIT_DEPTH] == [
        "the 16-bit images use 12 bits, of which the network sees the highest 8 (data.bit_depth=12)"
    ]
    assert read_image(root / "images/train/a.png", 12)[0, 0].tolist() == [250, 10, 1]
    assert read_image(root / "images/train/a.png")[0, 0].tolist() == [15, 0, 0]


@pytest.mark.parametrize("shape", [SIZE, (*SIZE, 3)])
def test_floating_point_images_are_refused_by_name_where_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    """Also those beyond the frames that are chosen: one of each kind is decoded."""
    monkeypatch.setattr("icnet.data.check.check.SAMPLE", 1)
    label = shapes([0, 1])
    root = data_set(tmp_path, {"train/a": label, "train/b": label, "val/c": label})
    (root / "images/train/b.png").unlink()
    cv2.imwrite(str(root / "images/train/b.tif"), np.full(shape, 0.5, np.float32))
    (line,) = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))[Kind.BROKEN]
    assert "images/train/b.tif holds float32 values: frames have 8 or 16 bits a channel" in line


def test_a_jpeg_that_lost_its_middle_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that has some bytes too many, as cameras write them, is not."""
    label = shapes([0, 1])
    root = data_set(tmp_path, {"train/a": label, "train/b": label, "val/c": label})
    for name in "ab":
        (root / f"images/train/{name}.png").unlink()
        pixels = cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1])
        write_image(root / f"images/train/{name}.jpg", pixels)
    whole = (root / "images/train/b.jpg").read_bytes()
    (root / "images/train/b.jpg").write_bytes(whole[: len(whole) // 2] + whole[-20:])
    other = (root / "images/train/a.jpg").read_bytes()
    (root / "images/train/a.jpg").write_bytes(other[:-2] + b"12" + other[-2:])
    (line,) = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))[Kind.DAMAGED]
    assert "images/train/b.jpg lost a part of its data (Corrupt JPEG data: premature end of data segment)" in line
    assert capfd.readouterr().err == ""


def test_two_images_that_share_a_label_are_named(tmp_path: Path) -> None:
    root = data_set(tmp_path, {"train/a": shapes([0, 1]), "val/b": shapes([0, 1])})
    write_image(root / "images/train/a.jpg", RNG.integers(0, 256, (*SIZE, 3), np.uint8))
    (line,) = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))[Kind.SHARED_LABEL]
    assert "images/train/a.jpg and" in line
    assert "share the label" in line


def test_a_label_that_is_called_mask_belongs_to_its_image(tmp_path: Path) -> None:
    root = data_set(tmp_path, {"train/a": shapes([0, 1]), "val/b": shapes([0, 1])})
    (root / "labels/train/a.png").rename(root / "labels/train/a_mask.png")
    lines = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))
    assert set(lines) == {Kind.JOINED}
    assert lines[Kind.JOINED][0].endswith("a_mask.png is taken for the label of " + str(root / "images/train/a.png"))


@pytest.mark.parametrize("suffix", [".tif", ".gif"])
def test_of_several_pages_the_first_is_read_and_that_is_said(tmp_path: Path, suffix: str) -> None:
    root = data_set(tmp_path, {"train/a": shapes([0, 1]), "val/b": shapes([0, 1])})
    (root / "images/train/a.png").unlink()
    first, second = (Image.fromarray(np.full((*SIZE, 3), value, np.uint8)) for value in (200, 50))
    first.save(root / f"images/train/a{suffix}", save_all=True, append_images=[second])
    lines = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))
    assert lines[Kind.PAGES][0].endswith("holds 2 images: the first of them is read")
    assert set(read_image(root / f"images/train/a{suffix}").ravel().tolist()) == {200}


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_cmyk_image_has_the_colours_that_it_shows(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (40, 32), (200, 100, 50)).convert("CMYK").save(tmp_path / f"a{suffix}")
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - (200, 100, 50)).max() <= 2


def test_raw_files_alone_are_refused_by_what_they_are(tmp_path: Path) -> None:
    root = data_set(tmp_path, {"train/a": shapes([0, 1])})
    (root / "images/train/a.png").rename(root / "images/train/a.DNG")
    with pytest.raises(DataError, match=r"a\.DNG is a camera's raw file, which icnet does not read: convert it"):
        check_data(FolderLayout(root), ["train", "val"], CLASSES)


def test_a_frame_that_looks_like_one_of_another_split_is_named_with_it(tmp_path: Path) -> None:
    """The same scene as a JPEG of half the size; the others are scenes of their own."""
    label = shapes([0, 1])
    root = data_set(tmp_path, {"train/a": label, "train/b": label, "val/c": label})
    for name in ("train/a", "train/b"):
        write_image(root / f"images/{name}.png", cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1]))
    shutil.copy(root / "images/train/b.png", root / "b.png")
    (root / "images/val/c.png").unlink()
    half = cv2.resize(read_image(root / "b.png"), None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    write_image(root / "images/val/c.jpg", half)
    write_image(root / "labels/val/c.png", np.zeros(half.shape[:2], np.uint8))
    (line,) = said(check_data(FolderLayout(root), ["train", "val"], CLASSES))[Kind.NEAR]
    assert f"{root}/images/train/b.png (train) and {root}/images/val/c.jpg (val) look the same" in line
