"""Frames without labels beside those that have some: their order, their labels, and never those of the validation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from icnet.data.check.duplicates import find_copies
from icnet.data.dataset import Draw, Place, SegmentationDataset, TrainSampler
from icnet.data.images import read_image, write_image
from icnet.data.labels import UNLABELLED, ClassTable
from icnet.data.layouts import FolderLayout
from icnet.data.samples import Sample
from icnet.data.transforms import Augment
from icnet.data.unlabelled import JoinedDataset, JoinedSampler, count_joined, find_unlabelled
from icnet.errors import ConfigError, DataError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)], [7, 26], [0])
SIZE = (40, 48)
LABELLED, UNLABELLED_FRAMES = 12, 5
BEGIN = Place(0, 0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames for training and one for validation, whose labels are 7 alone, and two without labels."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    for place in ("images/train/0", "images/train/1", "images/train/2", "images/val/3", "extra/a/4", "extra/5"):
        path = folder / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, rng.integers(0, 256, (*SIZE, 3), np.uint8))
        if place.startswith("images"):
            label = Path(str(path).replace("/images/", "/labels/"))
            label.parent.mkdir(parents=True, exist_ok=True)
            write_image(label, np.full(SIZE, 7, np.uint8))
    return folder


def samples(root: Path, split: str) -> list[Sample]:
    return FolderLayout(root).samples(split)


def joined(root: Path, label_maps: Path | None = None, scale: float = 1.0) -> JoinedDataset:
    augment = Augment((40, 48), scale=(scale, scale))
    labelled = SegmentationDataset(samples(root, "train"), CLASSES, augment, seed=3)
    return JoinedDataset(labelled, find_unlabelled(root / "extra", labelled.samples, samples(root, "val")), label_maps)


def steps_of(world_size: int, batch_size: int, joined: int, epoch: int, start: Place = BEGIN) -> list[set[Draw]]:
    """The draws of each step of an epoch over all processes."""
    processes = []
    for rank in range(world_size):
        labelled = TrainSampler(LABELLED, batch_size, 0, rank, world_size, start)
        sampler = JoinedSampler(labelled, UNLABELLED_FRAMES, joined)
        sampler.set_epoch(epoch)
        draws, size = list(sampler), batch_size + joined
        assert len(draws) % size == 0
        processes.append([draws[first : first + size] for first in range(0, len(draws), size)])
    return [{draw for batch in step for draw in batch} for step in zip(*processes, strict=True)]


def test_each_batch_has_its_share_of_frames_without_labels() -> None:
    for step in steps_of(1, batch_size=2, joined=3, epoch=1):
        assert sum(draw.sample < LABELLED for draw in step) == 2
        assert sum(LABELLED <= draw.sample < LABELLED + UNLABELLED_FRAMES for draw in step) == 3
    sampler = JoinedSampler(TrainSampler(LABELLED, 2, 0), UNLABELLED_FRAMES, 3)
    assert len(sampler) == len(list(sampler)) == 6 * 5


def test_the_labelled_frames_come_as_they_do_without_others() -> None:
    with_others = [{d for d in step if d.sample < LABELLED} for step in steps_of(1, 2, 3, epoch=2)]
    assert with_others == steps_of(1, 2, 0, epoch=2)


def test_each_pass_has_every_unlabelled_frame_once_in_an_order_of_its_own_and_goes_on_over_epochs() -> None:
    drawn = []
    for epoch in range(3):
        sampler = JoinedSampler(TrainSampler(LABELLED, 3, 0), UNLABELLED_FRAMES, 2)
        sampler.set_epoch(epoch)
        drawn += [draw for draw in sampler if draw.sample >= LABELLED]
    assert [draw.epoch for draw in drawn] == [n // UNLABELLED_FRAMES for n in range(3 * 4 * 2)]  # 4 steps an epoch
    passes = [[d.sample for d in drawn if d.epoch == number] for number in range(4)]
    assert all(sorted(one) == list(range(LABELLED, LABELLED + UNLABELLED_FRAMES)) for one in passes)
    assert len({tuple(one) for one in passes}) == 4
    assert len(set(drawn)) == len(drawn)  # each with an augmentation of its own


@pytest.mark.parametrize("epoch", [0, 1, 4])
def test_two_processes_see_in_each_step_what_one_of_twice_the_batch_sees(epoch: int) -> None:
    assert steps_of(2, batch_size=1, joined=2, epoch=epoch) == steps_of(1, batch_size=2, joined=4, epoch=epoch)


def test_a_run_that_was_stopped_goes_on_with_the_frames_that_would_have_come() -> None:
    assert steps_of(1, 2, 3, epoch=1, start=Place(1, 4)) == steps_of(1, 2, 3, epoch=1)[2:]
    assert steps_of(1, 2, 3, epoch=2, start=Place(1, 4)) == steps_of(1, 2, 3, epoch=2)
    more = steps_of(2, 2, 3, epoch=1, start=Place(1, 4))  # on two processes instead of one
    assert more[0] | more[1] == {draw for step in steps_of(1, 2, 3, epoch=1)[2:] for draw in step}


def test_a_frame_without_labels_is_marked_so_and_what_it_is_padded_with_is_ignored(root: Path) -> None:
    data = joined(root)
    assert len(data) == 3
    image, label = data[Draw(0, 3)]
    assert (label == UNLABELLED).all()
    assert torch.equal(image.flip(1), torch.from_numpy(read_image(root / "extra/5.png"))) or torch.equal(
        image, torch.from_numpy(read_image(root / "extra/5.png"))
    )
    small = joined(root, scale=0.5)[Draw(0, 4)].label
    assert sorted(small.unique().tolist()) == [UNLABELLED, 255]
    assert (small == UNLABELLED).sum() == 20 * 24
    assert (data[Draw(0, 0)].label == 0).all()


class StubPack:
    """Frames that no file holds."""

    def read(self, number: int) -> tuple[Any, Any]:
        return np.full((*SIZE, 3), number, np.uint8), np.ones(SIZE, np.uint8)


def test_labelled_frames_are_read_from_their_pack_and_others_from_files(root: Path) -> None:
    packed: Any = StubPack()
    labelled = SegmentationDataset(samples(root, "train"), CLASSES, Augment((40, 48)), packed=packed)
    data = JoinedDataset(labelled, [root / "extra/5.png"])
    assert [np.unique(part[:, :]).tolist() for part in data.read(2)] == [[2], [1]]
    assert np.array_equal(data.read(3)[0][:, :], read_image(root / "extra/5.png"))


def test_passes_have_augmentations_of_their_own(root: Path) -> None:
    data = joined(root, scale=1.5)
    first, again, second = data[Draw(0, 3)], data[Draw(0, 3)], data[Draw(1, 3)]
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, second.image)


@pytest.mark.parametrize(("name", "road"), [("{}_labels.png", 0), ("{}.png", 7)])
def test_label_maps_of_another_program_are_labels(root: Path, tmp_path: Path, name: str, road: int) -> None:
    """As task=predict writes them, in train ids; or as label files are."""
    for number in (4, 5):
        write_image(tmp_path / name.format(number), np.full(SIZE, road, np.uint8))
    assert (joined(root, tmp_path)[Draw(0, 4)].label == 0).all()


def test_label_maps_that_are_missing_or_of_another_size_are_named(root: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "5_labels.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match=r"no prediction for 1 of 2 images, e\.g\. 4\.png"):
        joined(root, tmp_path)
    write_image(tmp_path / "4_labels.png", np.zeros(SIZE, np.uint8))
    with pytest.raises(DataError, match=r"5\.png is 40x48 but its label .*5_labels\.png is 8x8"):
        joined(root, tmp_path)[Draw(0, 3)]


def test_the_frame_that_a_worker_reads_has_its_place_on_the_board(root: Path) -> None:
    data = joined(root)
    assert data.board.files[3:] == data.images == [root / "extra/5.png", root / "extra/a/4.png"]


def test_a_frame_of_the_validation_is_a_leak_under_any_name(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "extra", tmp_path / "extra")
    shutil.copy(root / "images/val/3.png", tmp_path / "extra/a/other.png")
    with pytest.raises(DataError, match=r"extra/a/other\.png, which is the validation frame .*images/val/3\.png"):
        find_unlabelled(tmp_path / "extra", samples(root, "train"), samples(root, "val"))
    with pytest.raises(DataError, match="which is the validation frame"):
        find_unlabelled(root / "images", samples(root, "train"), samples(root, "val"))


def test_another_frame_under_the_name_of_one_of_the_validation_is_none(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "extra/5.png", tmp_path / "3.png")
    assert find_unlabelled(tmp_path, samples(root, "train"), samples(root, "val")) == [tmp_path / "3.png"]


def test_frames_that_have_labels_are_left_out(root: Path) -> None:
    train = samples(root, "train")
    assert find_unlabelled(root / "images/train", train[:1], samples(root, "val")) == [s.image for s in train[1:]]
    with pytest.raises(DataError, match="no frame beside those with labels"):
        find_unlabelled(root / "images/train", train, samples(root, "val"))


def test_label_maps_beside_the_frames_and_what_a_run_left_there_are_no_frames(root: Path, tmp_path: Path) -> None:
    train = [Sample(tmp_path / "a.png", tmp_path / "a_mask.png")]
    for place in (*train[0], tmp_path / "b.png", tmp_path / "run/c.png", tmp_path / ".hidden/d.png"):
        place.parent.mkdir(exist_ok=True)
        shutil.copy(root / f"extra/{'5' if place.stem == 'a' else 'a/4'}.png", place)
    (tmp_path / "run/.hydra").mkdir()
    assert find_unlabelled(tmp_path, train, samples(root, "val")) == [tmp_path / "b.png"]


def test_a_folder_that_is_none_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*nowhere: data\.unlabelled"):
        find_unlabelled(root / "nowhere", [], [])


def test_files_of_one_length_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"two"), ("c", b"one"), ("d", b"three")):
        (tmp_path / name).write_bytes(content)
    a, b, c, d = (tmp_path / name for name in "abcd")
    assert find_copies([c, d, b], [a]) == {c: a}


@pytest.mark.parametrize(("batch_size", "share", "expected"), [(4, 0.5, 2), (4, 0.75, 3), (3, 0.3, 1), (8, 0.75, 6)])
def test_the_share_is_of_the_batch(batch_size: int, share: float, expected: int) -> None:
    assert count_joined(batch_size, share) == expected


@pytest.mark.parametrize(
    ("batch_size", "share"), [(1, 0.5), (4, 0.0), (4, 1.0), (4, 0.1), (4, 0.9), (4, -1.0), (4, 3.0)]
)
def test_a_share_that_leaves_no_frame_of_a_kind_is_refused(batch_size: int, share: float) -> None:
    with pytest.raises(ConfigError, match=rf"data\.unlabelled_share is {share}"):
        count_joined(batch_size, share)
