from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from icnet.data.headers import read_size
from icnet.data.images import read_image, read_label, read_pair, write_image
from icnet.data.labels import ClassTable
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car", "sky"], [(128, 64, 128), (0, 0, 142), (70, 130, 180)], [7, 26, 23], [0])
PLAIN = ClassTable(["road", "car", "sky"], [(128, 64, 128), (0, 0, 142), (70, 130, 180)])
Array = np.ndarray[Any, np.dtype[Any]]


def write_label(path: Path, rows: Any, dtype: Any = np.uint8) -> Path:
    write_image(path, np.array(rows, dtype))
    return path


def noise(height: int = 40, width: int = 30) -> Array:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def write_grey_png(path: Path, bits: int, rows: list[bytes], width: int) -> Path:
    """A grey PNG of less than 8 bits a pixel, which neither OpenCV nor Pillow writes as such."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_an_image_is_read_as_it_was_written_red_first(tmp_path: Path, suffix: str) -> None:
    image = noise()
    write_image(tmp_path / f"a{suffix}", image)
    assert np.array_equal(read_image(tmp_path / f"a{suffix}"), image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / f"a{suffix}")), image)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "LA"])
def test_images_of_any_kind_become_three_channels_of_8_bits(tmp_path: Path, mode: str) -> None:
    grey = np.full((4, 6), 200, np.uint16 if mode == "I;16" else np.uint8)
    Image.fromarray(grey * 257 if mode == "I;16" else grey).convert(mode).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    assert set(image.ravel().tolist()) == {200}


def test_a_path_with_letters_beyond_ascii_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "straße_道路.png", noise())
    assert read_image(tmp_path / "straße_道路.png").shape == (40, 30, 3)


def test_grey_labels_hold_ids(tmp_path: Path) -> None:
    path = write_label(tmp_path / "a.png", [[7, 26], [23, 0]])
    assert read_label(path, CLASSES).tolist() == [[0, 1], [2, 255]]


def test_the_name_tells_that_a_label_holds_train_ids(tmp_path: Path) -> None:
    path = write_label(tmp_path / "a_gtFine_labelTrainIds.png", [[0, 1], [2, 255]])
    assert read_label(path, CLASSES).tolist() == [[0, 1], [2, 255]]


@pytest.mark.parametrize("form", ["ids", "colors", "alpha"])
def test_train_ids_stand_beside_label_files_of_any_form(form: str, tmp_path: Path) -> None:
    classes = ClassTable(["a", "b"], [(0, 0, 0), (9, 9, 9)], label_ids=[7, 8], form=form)
    path = write_label(tmp_path / "x_labelTrainIds.png", [[0, 1, 255]])
    assert read_label(path, classes).tolist() == [[0, 1, 255]]


def test_colour_labels_hold_the_colours_of_the_classes(tmp_path: Path) -> None:
    path = write_label(tmp_path / "a.png", [[(128, 64, 128), (0, 0, 142)], [(70, 130, 180), (0, 0, 0)]])
    assert read_label(path, CLASSES).tolist() == [[0, 1], [2, 255]]


def test_the_alpha_channel_of_a_colour_label_is_left_out(tmp_path: Path) -> None:
    colors = np.array([[(128, 64, 128, 255), (0, 0, 142, 0)]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png", CLASSES).tolist() == [[0, 1]]


def test_a_palette_label_holds_ids_and_not_the_colours_of_its_palette(tmp_path: Path) -> None:
    label = Image.fromarray(np.array([[7, 26], [23, 0]], np.uint8))
    label.putpalette([200, 100, 50] * 256)
    assert label.mode == "P"
    label.save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png", CLASSES).tolist() == [[0, 1], [2, 255]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_palette_of_few_colours_is_read_too(tmp_path: Path, bits: int) -> None:
    label = Image.fromarray(np.array([[0, 1, 1], [1, 0, 1]], np.uint8))
    label.putpalette([9, 9, 9] * 256)
    label.save(tmp_path / "a.png", bits=bits)
    assert (tmp_path / "a.png").read_bytes()[24:26] == bytes([bits, 3])
    assert read_label(tmp_path / "a.png", PLAIN).tolist() == [[0, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(("bits", "row"), [(1, b"\x50"), (2, b"\x11"), (4, b"\x01\x01")])
def test_a_grey_label_of_few_bits_holds_ids_as_they_stand_in_the_file(tmp_path: Path, bits: int, row: bytes) -> None:
    """OpenCV stretches such values to 0..255: class 1 of a 1-bit mask would become 255, ignored everywhere."""
    path = write_grey_png(tmp_path / "a.png", bits, [row], 4)
    assert read_label(path, PLAIN).tolist() == [[0, 1, 0, 1]]


def test_labels_of_16_bits_are_read_when_their_ids_fit(tmp_path: Path) -> None:
    path = write_label(tmp_path / "a.png", [[7, 26], [23, 0]], np.uint16)
    assert read_label(path, CLASSES).tolist() == [[0, 1], [2, 255]]


def test_labels_of_16_bits_with_large_values_are_refused_by_value(tmp_path: Path) -> None:
    path = write_label(tmp_path / "a.png", [[7, 260]], np.uint16)
    with pytest.raises(DataError, match=r"a\.png has label 260"):
        read_label(path, CLASSES)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_cut_off_image_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, noise())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=rf"a\{suffix}.*again"):
        read_image(path)


@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_cut_off_label_is_named(tmp_path: Path, palette: bool, share: float) -> None:
    label = Image.fromarray(np.random.default_rng(0).integers(0, 3, (60, 60)).astype(np.uint8))
    if palette:
        label.putpalette([5, 6, 7] * 256)
    label.save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"a\.png.*again"):
        read_label(tmp_path / "a.png", PLAIN)


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"\x89PNG\r\n\x1a\n" + b"\0" * 17 + b"\x03", b"<html>404</html>"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_image, lambda path: read_label(path, CLASSES)):
        with pytest.raises(DataError, match=r"a\.png"):
            read(tmp_path / "a.png")


def test_damage_anywhere_in_a_palette_label_raises_nothing_but_a_data_error(tmp_path: Path) -> None:
    label = Image.fromarray(np.random.default_rng(0).integers(0, 3, (20, 20)).astype(np.uint8))
    label.putpalette([5, 6, 7] * 3)
    label.save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    refused = 0
    for place in range(len(whole)):
        (tmp_path / "a.png").write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            read_label(tmp_path / "a.png", PLAIN)
        except DataError:
            refused += 1
    assert refused > len(whole) // 2


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "b.png").mkdir()
    for name in ("a.png", "b.png"):
        for read in (read_image, lambda path: read_label(path, CLASSES)):
            with pytest.raises(DataError, match=name):
                read(tmp_path / name)


def test_an_image_and_a_label_of_different_size_are_both_named(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(4, 6))
    write_label(tmp_path / "l.png", np.full((4, 5), 7))
    with pytest.raises(DataError, match=r"a\.png is 4x6.*l\.png is 4x5.*nearest"):
        read_pair(tmp_path / "a.png", tmp_path / "l.png", CLASSES)


def test_a_pair_that_fits_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(4, 6))
    write_label(tmp_path / "l.png", np.full((4, 6), 26))
    image, label = read_pair(tmp_path / "a.png", tmp_path / "l.png", CLASSES)
    assert image.shape == (4, 6, 3)
    assert label.tolist() == [[1] * 6] * 4


def test_a_suffix_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.xyz.*\.png"):
        write_image(tmp_path / "a.xyz", noise())
    assert not (tmp_path / "a.xyz").exists()


def test_labels_of_16_bits_are_written_whole(tmp_path: Path) -> None:
    instances = np.array([[26001, 65535]], np.uint16)
    write_image(tmp_path / "a.png", instances)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), instances)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_header_tells_the_size_that_reading_gives_also_for_turned_photographs(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise()).save(path, exif=exif)
    assert read_size(path) == read_image(path).shape[:2]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_that_was_cut_off_is_told_from_its_header_and_its_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, noise(200, 200))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"broken or cut off"):
        read_size(path)


def test_a_jpeg_with_other_data_behind_its_end_is_whole(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", noise())
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + b"\0" * 5000)
    assert read_size(tmp_path / "a.jpg") == (40, 30)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    for read in (read_size, read_image):
        with pytest.raises(DataError, match=r"a\.png is empty \(0 bytes\): copy"):
            read(tmp_path / "a.png")
