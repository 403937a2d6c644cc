from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from icnet.data.dataset import Draw, EvalSampler, Frame, Place, SegmentationDataset, TrainSampler
from icnet.data.images import write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import FolderLayout
from icnet.data.transforms import Augment
from icnet.data.workers import init_worker
from icnet.errors import DataError

CLASSES = ClassTable(["road", "car"], [(128, 64, 128), (0, 0, 142)], [7, 26], [0])
SIZE = (40, 48)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine frames whose red channel tells their number."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind / "train").mkdir(parents=True)
    for number in range(9):
        image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        image[..., 0] = number
        write_image(folder / f"images/train/{number}.png", image)
        write_image(folder / f"labels/train/{number}.png", rng.choice([0, 7, 26], SIZE).astype(np.uint8))
    return folder


def dataset_of(root: Path, augment: Augment | None = None, seed: int = 0) -> SegmentationDataset:
    return SegmentationDataset(FolderLayout(root).samples("train"), CLASSES, augment, seed)


def augmented(root: Path, seed: int = 0) -> SegmentationDataset:
    return dataset_of(root, Augment((32, 40), brightness=0.2), seed)


def epoch_of(data: SegmentationDataset, epoch: int, **settings: Any) -> list[Frame]:
    sampler = TrainSampler(len(data), batch_size=2, seed=0)
    sampler.set_epoch(epoch)
    return list(DataLoader(data, 2, sampler=sampler, worker_init_fn=init_worker, **settings))


def same(first: list[Frame], second: list[Frame]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def steps_of(length: int, batch_size: int, world_size: int, epoch: int = 0, seed: int = 0) -> list[list[int]]:
    """The samples of each step over all processes."""
    shares = []
    for rank in range(world_size):
        sampler = TrainSampler(length, batch_size, seed, rank, world_size)
        sampler.set_epoch(epoch)
        draws = [draw[1] for draw in sampler]
        assert len(draws) == len(sampler)
        shares.append([draws[i : i + batch_size] for i in range(0, len(draws), batch_size)])
    return [[index for batch in step for index in batch] for step in zip(*shares, strict=True)]


def test_frames_are_uint8_with_train_ids_at_native_size(root: Path) -> None:
    frame = dataset_of(root)[3]
    assert frame.image.shape == (*SIZE, 3)
    assert frame.label.shape == SIZE
    assert frame.image.dtype == frame.label.dtype == torch.uint8
    assert set(frame.image[..., 0].ravel().tolist()) == {3}
    assert set(frame.label.unique().tolist()) == {0, 1, 255}


def test_frames_are_cropped_when_augmented(root: Path) -> None:
    frame = augmented(root)[0]
    assert frame.image.shape == (32, 40, 3)
    assert frame.label.shape == (32, 40)


def test_augmentation_is_decided_by_seed_epoch_and_sample_alone(root: Path) -> None:
    data = augmented(root)
    first = data[Draw(2, 5)]
    _ = data[Draw(2, 6)]
    assert same([data[Draw(2, 5)]], [first])
    assert same([augmented(root)[Draw(2, 5)]], [first])
    for other in (data[Draw(3, 5)], data[Draw(2, 6)], augmented(root, seed=1)[Draw(2, 5)]):
        assert not same([other], [first])


def test_a_plain_number_is_a_sample_of_epoch_0(root: Path) -> None:
    data = augmented(root)
    assert same([data[4]], [data[Draw(0, 4)]])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_no_batch(root: Path, workers: int) -> None:
    data = augmented(root)
    assert same(epoch_of(data, 1, num_workers=workers, multiprocessing_context="fork"), epoch_of(data, 1))


@pytest.mark.slow
def test_spawned_workers_change_no_batch(root: Path) -> None:
    data = augmented(root)
    assert same(epoch_of(data, 1, num_workers=2, multiprocessing_context="spawn"), epoch_of(data, 1))


def test_a_dataset_can_be_sent_to_another_process(root: Path) -> None:
    data = augmented(root)
    assert same([pickle.loads(pickle.dumps(data))[Draw(1, 2)]], [data[Draw(1, 2)]])


def test_workers_that_live_on_follow_the_epoch(root: Path) -> None:
    data = augmented(root)
    sampler = TrainSampler(len(data), 2, seed=0)
    loader = DataLoader(data, 2, sampler=sampler, num_workers=1, persistent_workers=True)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        assert same(list(loader), epoch_of(data, epoch))


@pytest.mark.parametrize("epoch", [0, 1])
def test_two_processes_of_batch_2_see_in_each_step_what_one_of_batch_4_sees(epoch: int) -> None:
    one, two, four = (steps_of(11, 4 // n, n, epoch) for n in (1, 2, 4))
    assert one == two == four
    assert len(one) == 2


def test_a_sample_comes_at_most_once_an_epoch_and_the_incomplete_step_is_left_out() -> None:
    for length, batch_size, world_size in ((9, 2, 1), (11, 2, 2), (12, 3, 4), (50, 4, 3)):
        seen = [index for step in steps_of(length, batch_size, world_size) for index in step]
        assert len(set(seen)) == len(seen) == length // (batch_size * world_size) * batch_size * world_size
        assert set(seen) <= set(range(length))


def test_every_sample_comes_in_the_course_of_epochs() -> None:
    assert {i for epoch in range(20) for step in steps_of(9, 4, 1, epoch) for i in step} == set(range(9))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    assert steps_of(50, 2, 1, epoch=0) == steps_of(50, 2, 1, epoch=0)
    assert steps_of(50, 2, 1, epoch=0) != steps_of(50, 2, 1, epoch=1)
    assert steps_of(50, 2, 1, seed=0) != steps_of(50, 2, 1, seed=1)


def test_a_draw_carries_the_epoch() -> None:
    sampler = TrainSampler(4, 2, seed=0)
    sampler.set_epoch(7)
    assert {draw.epoch for draw in sampler} == {7}


START = Place(0, 0)
WEIGHTS = np.array([1.0, 1.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0])


def draws_of(epoch: int, rank: int = 0, world_size: int = 1, start: Place = START) -> list[Draw]:
    """Of nine samples, the third and the last of which are rare."""
    sampler = TrainSampler(9, 3 if world_size == 1 else 1, 0, rank, world_size, start, WEIGHTS)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_weighted_samples_come_as_often_as_their_weight_says_rounded_down_or_up() -> None:
    """The weights add up to 16 over 9 places: 4 is 2.25 times, 5 is 2.81 times, 1 is 0.56 times."""
    for epoch in range(20):
        counts = np.bincount([draw.sample for draw in draws_of(epoch)], minlength=9)
        expected = WEIGHTS * 9 / 16
        assert counts.sum() == 9
        assert ((counts == np.floor(expected)) | (counts == np.ceil(expected))).all()


def test_a_sample_that_comes_again_in_an_epoch_is_augmented_anew(root: Path) -> None:
    again = [draw for draw in draws_of(0) if draw.before == 1]
    assert {draw.sample for draw in again} >= {2, 8}
    data = augmented(root)
    for draw in again:
        assert not same([data[draw]], [data[draw._replace(before=0)]])


@pytest.mark.parametrize("epoch", [0, 1])
def test_three_processes_draw_what_one_draws_by_weight_also_where_they_go_on(epoch: int) -> None:
    whole = draws_of(epoch)
    for start, first in ((Place(0, 0), 0), (Place(epoch, 3), 3)):
        shares = [draws_of(epoch, rank, 3, start) for rank in range(3)]
        assert [draw for step in zip(*shares, strict=True) for draw in step] == whole[first:]


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("steps", [0, 1, 3, 4])
def test_a_resumed_run_goes_on_in_the_middle_of_its_epoch_and_then_as_ever(world_size: int, steps: int) -> None:
    for rank in range(world_size):
        whole = TrainSampler(17, 4 // world_size, 0, rank, world_size)
        resumed = TrainSampler(17, 4 // world_size, 0, rank, world_size, start=Place(2, 4 * steps))
        whole.set_epoch(2)
        assert list(resumed) == list(whole)[steps * 4 // world_size :]
        for sampler in (whole, resumed):
            sampler.set_epoch(3)
        assert list(resumed) == list(whole)


@pytest.mark.parametrize("processes", [(1, 2), (2, 1), (2, 3), (1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize("batches", [1, 2, 3])
def test_an_epoch_comes_to_its_end_once_though_the_number_of_processes_changes(
    processes: tuple[int, ...], batches: int
) -> None:
    """Each number of processes but the last trains for so many batches of 2 samples each; then a run is resumed."""
    length, seen, start = 41, list[int](), Place(5, 0)
    for number in processes:
        samplers = [TrainSampler(length, 2, 0, rank, number, start) for rank in range(number)]
        shares = [[draw.sample for draw in sampler] for sampler in samplers]
        left = samplers[0].steps - samplers[0].begun
        assert [len(share) for share in shares] == [2 * left] * number
        done = left if number == processes[-1] else batches
        seen += [sample for share in shares for sample in share[: 2 * done]]
        start = Place(5, samplers[0].samples_after(5, samplers[0].begun + done))
        assert start.samples == len(seen) == len(set(seen))
    assert length - len(seen) < 2 * processes[-1]
    assert samplers[0].samples_after(6, 3) == 3 * 2 * processes[-1]


@pytest.mark.parametrize(("batch_size", "world_size"), [(6, 1), (3, 2)])
def test_fewer_images_than_a_step_takes_are_refused(batch_size: int, world_size: int) -> None:
    with pytest.raises(DataError, match=rf"5 images.*{batch_size} x {world_size}.*data\.batch_size"):
        TrainSampler(5, batch_size, 0, 0, world_size)


@pytest.mark.parametrize("length", [3, 7, 9, 100])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_sees_every_sample_exactly_once_over_all_processes(length: int, world_size: int) -> None:
    samplers = [EvalSampler(length, rank, world_size) for rank in range(world_size)]
    shares = [list(sampler) for sampler in samplers]
    assert sorted(index for share in shares for index in share) == list(range(length))
    assert [len(share) for share in shares] == [len(sampler) for sampler in samplers]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_an_unreadable_frame_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "images/train/a.png").write_bytes((root / "images/train/0.png").read_bytes()[:300])
    (tmp_path / "labels/train/a.png").write_bytes((root / "labels/train/0.png").read_bytes())
    with pytest.raises(DataError, match=r"images/train/a\.png"):
        _ = dataset_of(tmp_path)[0]
