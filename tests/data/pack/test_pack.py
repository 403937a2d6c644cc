from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from icnet.data.dataset import Draw, SegmentationDataset
from icnet.data.images import read_pair, write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import FolderLayout
from icnet.data.pack import write
from icnet.data.pack.index import INDEX, Index
from icnet.data.pack.read import PackedFrames, open_packs
from icnet.data.pack.write import pack
from icnet.data.samples import Sample
from icnet.data.transforms import Augment
from icnet.errors import DataError, ICNetError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)], [7, 26], [0])
SIZES = ((40, 48), (33, 70), (150, 64), (64, 65), (129, 37))
FRAMES = len(SIZES)
Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Frames of different sizes, noise and smooth ones."""
    folder = tmp_path / "frames"
    rng = np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.uint8)
        image = np.dstack([rows, columns, rng.integers(0, 256, size, np.uint8)])
        for kind, pixels in (("images", image), ("labels", rng.choice([0, 7, 26], size).astype(np.uint8))):
            path = folder / kind / "train" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, pixels)
    return folder


@pytest.fixture
def samples(root: Path) -> list[Sample]:
    return FolderLayout(root).samples("train")


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "packed" / "train"


def opened(folder: Path, samples: list[Sample], classes: ClassTable = CLASSES) -> PackedFrames:
    packs = open_packs([folder], samples, classes)
    assert packs is not None
    return packs


def whole(packs: PackedFrames, number: int) -> tuple[Array, Array]:
    image, label = packs.read(number)
    return image[:, :], label[:, :]


def check_equal(packs: PackedFrames, samples: list[Sample]) -> None:
    for number, sample in enumerate(samples):
        for packed, read in zip(whole(packs, number), read_pair(*sample, CLASSES), strict=True):
            assert np.array_equal(packed, read)
            assert packed.dtype == np.uint8


def data_file(folder: Path) -> Path:
    (path,) = folder.glob("*.bin")
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("compress", [False, True])
def test_a_pack_gives_back_every_pixel_and_label(folder: Path, samples: list[Sample], compress: bool) -> None:
    packed = pack(samples, CLASSES, folder, compress=compress, workers=2)
    assert (packed.frames, packed.written) == (FRAMES, FRAMES)
    assert packed.bytes == data_file(folder).stat().st_size
    assert packed.source_bytes == sum(path.stat().st_size for sample in samples for path in sample)
    check_equal(opened(folder, samples), samples)


def test_plain_packs_have_four_bytes_a_pixel_and_compressed_ones_fewer(root: Path, samples: list[Sample]) -> None:
    plain = pack(samples, CLASSES, root / "plain").bytes
    assert plain == sum(4 * height * width for height, width in SIZES)
    assert pack(samples, CLASSES, root / "small", compress=True).bytes < 0.7 * plain


@pytest.mark.parametrize("compress", [False, True])
def test_any_window_of_a_packed_frame_is_that_of_the_frame(folder: Path, samples: list[Sample], compress: bool) -> None:
    pack(samples, CLASSES, folder, compress=compress)
    packs = opened(folder, samples)
    rng = np.random.default_rng(0)
    for number, sample in enumerate(samples):
        image, label = read_pair(*sample, CLASSES)
        for _ in range(20):
            top, left = (int(rng.integers(n)) for n in label.shape)
            window = slice(top, top + int(rng.integers(1, 150))), slice(left, left + int(rng.integers(1, 80)))
            for packed, read in zip(packs.read(number), (image, label), strict=True):
                assert packed.shape == read.shape
                assert np.array_equal(packed[window], read[window])


@pytest.mark.parametrize("compress", [False, True])
def test_augmented_frames_are_the_same_bit_for_bit(folder: Path, samples: list[Sample], compress: bool) -> None:
    pack(samples, CLASSES, folder, compress=compress)
    augment = Augment((64, 48), brightness=0.3, contrast=0.2, saturation=0.2, hue=0.1)
    read, packed = (
        SegmentationDataset(samples, CLASSES, augment, seed=3, packed=packs)
        for packs in (None, opened(folder, samples))
    )
    for draw in (Draw(epoch, sample) for epoch in range(6) for sample in range(FRAMES)):
        assert all(torch.equal(a, b) for a, b in zip(read[draw], packed[draw], strict=True))


def test_frames_that_are_not_augmented_are_the_same_and_may_be_written_to(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    before = data_file(folder).read_bytes()
    data = SegmentationDataset(samples, CLASSES, packed=opened(folder, samples))
    for number, sample in enumerate(samples):
        frame = data[number]
        for part, read in zip(frame, read_pair(*sample, CLASSES), strict=True):
            assert np.array_equal(part.numpy(), read)
            part += 1
    assert data_file(folder).read_bytes() == before


def test_the_samples_may_be_a_part_in_another_order_and_from_several_packs(root: Path, samples: list[Sample]) -> None:
    pack(samples[:2], CLASSES, root / "one")
    pack(samples[2:], CLASSES, root / "two", compress=True)
    chosen = [samples[4], samples[0], samples[3]]
    packs = open_packs([root / "one", root / "absent", root / "two"], chosen, CLASSES)
    assert packs is not None
    assert len(packs) == 3
    check_equal(packs, chosen)


def test_packed_frames_can_be_sent_to_another_process_without_their_pixels(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    packs = opened(folder, samples)
    packs.read(0)
    sent = pickle.dumps(packs)
    assert len(sent) < 2000
    check_equal(pickle.loads(sent), samples)
    pack(samples, CLASSES, folder, compress=True)
    with pytest.raises(DataError, match="packed again while training"):
        pickle.loads(sent)


def test_a_data_set_may_move_together_with_its_pack(root: Path, folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    moved = root.rename(root.with_name("moved"))
    again = FolderLayout(moved).samples("train")
    check_equal(opened(moved / "packed" / "train", again), again)


def test_where_nothing_is_packed_there_are_no_packs(folder: Path, samples: list[Sample]) -> None:
    assert open_packs([folder], samples, CLASSES) is None


def test_the_originals_stay_as_they_are(root: Path, samples: list[Sample]) -> None:
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*.png")}
    pack(samples, CLASSES, root / "packed" / "train")
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*.png")} == before


def test_the_index_names_every_frame_with_its_sources_and_checksum(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    head, *frames = map(json.loads, (folder / INDEX).read_text().splitlines())
    kind = {"format": 1, "compressed": False, "classes": CLASSES.to_dict(), "bit_depth": 16}
    assert head == kind | {"data": data_file(folder).name}
    assert [(f["height"], f["width"]) for f in frames] == list(SIZES)
    assert [(folder / f["image"]).resolve() for f in frames] == [sample.image for sample in samples]
    assert frames[0]["image_bytes"] == samples[0].image.stat().st_size
    assert len({f["crc32"] for f in frames}) == FRAMES


def test_packing_again_finds_a_whole_pack_and_leaves_it(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert pack(samples, CLASSES, folder).written == 0
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before


@pytest.mark.parametrize("stop_after", [1, 3, FRAMES - 1])
@pytest.mark.parametrize("compress", [False, True])
def test_a_packing_that_was_killed_goes_on_where_it_stopped(
    folder: Path, samples: list[Sample], stop_after: int, compress: bool
) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack(samples, CLASSES, folder, compress=compress, progress=stop_at(stop_after))
    assert open_packs([folder], samples, CLASSES) is None
    seen: list[int] = []
    packed = pack(samples, CLASSES, folder, compress=compress, progress=lambda done, _: seen.append(done))
    assert (packed.frames, packed.written) == (FRAMES, FRAMES - stop_after)
    assert seen == list(range(stop_after, FRAMES + 1))
    assert len(files_in(folder)) == 2
    check_equal(opened(folder, samples), samples)


def stop_at(count: int) -> Callable[[int, int], None]:
    def progress(done: int, wanted: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress


def test_a_killed_process_leaves_what_the_next_one_goes_on_with(
    root: Path, folder: Path, samples: list[Sample]
) -> None:
    """SIGKILL while the third frame's bytes are in the file and its line is not."""
    code = f"""
import os, signal
from pathlib import Path
from icnet.data.labels import ClassTable
from icnet.data.layouts import FolderLayout
from icnet.data.pack import write
real = write.to_line
def to_line(entry):
    if entry.origin.image.endswith("2.png"):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(entry)
write.to_line = to_line
write.pack(FolderLayout(Path({str(root)!r})).samples("train"), ClassTable(**{CLASSES.to_dict()!r}), Path({str(folder)!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert data_file(folder).stat().st_size == sum(4 * h * w for h, w in SIZES[:3])
    assert pack(samples, CLASSES, folder).written == FRAMES - 2
    check_equal(opened(folder, samples), samples)


def test_frames_that_were_damaged_since_are_packed_anew(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    with data_file(folder).open("r+b") as file:
        file.seek(4 * 40 * 48 + 5)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    assert pack(samples, CLASSES, folder).written == FRAMES
    check_equal(opened(folder, samples), samples)


def test_an_unfinished_pack_is_checked_before_it_is_gone_on_with(folder: Path, samples: list[Sample]) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack(samples, CLASSES, folder, progress=stop_at(4))
    content = bytearray(data_file(folder).read_bytes())
    content[4 * 40 * 48 + 5] ^= 1  # in the second frame
    data_file(folder).write_bytes(content)
    assert pack(samples, CLASSES, folder).written == FRAMES - 1
    check_equal(opened(folder, samples), samples)


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_frame_that_changed_makes_training_read_the_files_and_packing_start_anew(
    folder: Path, samples: list[Sample], kind: str
) -> None:
    pack(samples, CLASSES, folder)
    path = getattr(samples[3], kind)
    os.utime(path, ns=(0, 12345))
    with pytest.raises(DataError, match=rf"{samples[3].image} or its label changed.*task\.pack=true"):
        open_packs([folder], samples, CLASSES)
    first = data_file(folder).name
    assert pack(samples, CLASSES, folder).written == FRAMES
    assert data_file(folder).name != first
    assert len(files_in(folder)) == 2
    check_equal(opened(folder, samples), samples)


def test_a_new_frame_is_missed_by_name(folder: Path, samples: list[Sample]) -> None:
    pack(samples[:-1], CLASSES, folder)
    with pytest.raises(DataError, match=rf"{samples[-1].image} is not in {folder}.*task\.pack=true"):
        open_packs([folder], samples, CLASSES)


def test_other_classes_make_another_pack(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    other = ClassTable(["car", "road"], [(0, 0, 142), (128, 64, 128)], [26, 7], [0])
    with pytest.raises(DataError, match=r"other classes.*task\.pack=true"):
        open_packs([folder], samples, other)
    assert pack(samples, other, folder).written == FRAMES


def test_compressing_replaces_a_plain_pack(folder: Path, samples: list[Sample]) -> None:
    plain = pack(samples, CLASSES, folder).bytes
    assert pack(samples, CLASSES, folder, compress=True).written == FRAMES
    assert data_file(folder).stat().st_size < plain
    assert len(files_in(folder)) == 2


def test_the_earlier_pack_is_read_until_the_new_one_is_whole(folder: Path, samples: list[Sample]) -> None:
    pack(samples, CLASSES, folder)
    before = opened(folder, samples)
    with pytest.raises(KeyboardInterrupt):
        pack(samples, CLASSES, folder, compress=True, progress=stop_at(2))
    check_equal(opened(folder, samples), samples)
    pack(samples, CLASSES, folder, compress=True)
    check_equal(before, samples)
    check_equal(opened(folder, samples), samples)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: data_file(f).unlink(), r"frames-\w+\.bin is missing or cut off"),
        (lambda f: data_file(f).write_bytes(data_file(f).read_bytes()[:-1]), r"frames-\w+\.bin is missing or cut off"),
        (lambda f: (f / INDEX).write_text(""), r"index\.jsonl is not the index of a pack"),
        (lambda f: (f / INDEX).write_text("{}\n"), r"index\.jsonl is not the index of a pack"),
        (lambda f: (f / INDEX).write_text("[1]\n[2]\n"), r"index\.jsonl is not the index of a pack"),
        (lambda f: (f / INDEX).write_bytes(b"\xff\xfe\n"), r"index\.jsonl is not the index of a pack"),
        (lambda f: in_index(f, '"format": 1', '"format": 99'), r"has format 99.*reads 1"),
    ],
)
def test_a_pack_that_is_damaged_is_refused_and_can_be_made_again(
    folder: Path, samples: list[Sample], damage: Callable[[Path], object], said: str
) -> None:
    pack(samples, CLASSES, folder)
    damage(folder)
    with pytest.raises(DataError, match=rf"{said}.*task=prepare task\.pack=true"):
        open_packs([folder], samples, CLASSES)
    assert pack(samples, CLASSES, folder).written == FRAMES
    check_equal(opened(folder, samples), samples)


def in_index(folder: Path, old: str, new: str) -> None:
    path = folder / INDEX
    path.write_text(path.read_text().replace(old, new))


def test_a_folder_of_something_else_is_refused_and_not_touched(folder: Path, samples: list[Sample]) -> None:
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"no pack \(thesis\.tex\).*data\.packed"):
        pack(samples, CLASSES, folder)
    assert files_in(folder) == ["thesis.tex"]


def test_a_folder_that_is_a_file_is_said(root: Path, samples: list[Sample]) -> None:
    (root / "packed").write_text("a file")
    with pytest.raises(ICNetError, match=r"packed.*cannot be written"):
        pack(samples, CLASSES, root / "packed")


def test_two_processes_do_not_pack_into_one_folder(folder: Path, samples: list[Sample]) -> None:
    def second(done: int, wanted: int) -> None:
        with pytest.raises(DataError, match="being packed by another process"):
            pack(samples, CLASSES, folder)

    pack(samples, CLASSES, folder, progress=second)
    check_equal(opened(folder, samples), samples)


def test_a_disk_that_is_too_small_is_said_before_it_is_full(
    folder: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 0, 4 * 40 * 48 * (FRAMES - 1) - 1))
    with pytest.raises(DataError, match=r"has room for 0 MiB.*task\.compress=true"):
        pack(samples, CLASSES, folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 0, 10**9))
    assert pack(samples, CLASSES, folder).frames == FRAMES


def test_one_large_frame_does_not_stand_for_those_that_follow(
    folder: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third of five is the largest; all together need 93 kB."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 0, 2 * 150 * 64 * 4 - 1))
    assert pack(samples, CLASSES, folder).frames == FRAMES


def test_what_a_disk_does_not_hold_as_it_was_written_is_no_pack(
    folder: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write._append

    def spoil(*args: Any) -> Index:
        index = written(*args)
        with (folder / index.data).open("r+b") as file:
            file.seek(100)
            file.write(b"spoilt")
        return index

    monkeypatch.setattr(write, "_append", spoil)
    with pytest.raises(DataError, match="does not hold what was written"):
        pack(samples, CLASSES, folder)
    monkeypatch.undo()
    assert open_packs([folder], samples, CLASSES) is None
    pack(samples, CLASSES, folder)
    check_equal(opened(folder, samples), samples)


def test_a_broken_frame_is_named_and_the_frames_before_it_are_kept(folder: Path, samples: list[Sample]) -> None:
    path = samples[2].image
    content = path.read_bytes()
    path.write_bytes(content[:100])
    with pytest.raises(DataError, match=rf"{path}.*broken"):
        pack(samples, CLASSES, folder, workers=2)
    path.write_bytes(content)
    assert pack(samples, CLASSES, folder).written == FRAMES - 2
    check_equal(opened(folder, samples), samples)


def test_a_frame_that_vanishes_is_named(folder: Path, samples: list[Sample]) -> None:
    samples[1].label.unlink()
    with pytest.raises(DataError, match=rf"{samples[1].label} cannot be read"):
        pack(samples, CLASSES, folder)
