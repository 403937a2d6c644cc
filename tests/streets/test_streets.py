from __future__ import annotations

import json
import os
import shutil
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from icnet.errors import ConfigError, DataError
from icnet.streets import write
from icnet.streets.scene import draw_street
from icnet.streets.write import write_streets

CLASSES = {7, 8, 11, 17, 20, 21, 23, 24, 25, 26}
WITH_INSTANCES = {24, 25, 26}
SIZE = (64, 128)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Streets on disk: three frames for training, two for validation."""
    return write_streets(tmp_path_factory.mktemp("data") / "streets", train=3, val=2, size=SIZE, seed=5)


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    """A copy of the streets on disk, to be changed."""
    return Path(shutil.copytree(written, tmp_path / "streets"))


def files_of(root: Path) -> dict[str, int]:
    """The time of the last change of each file below a folder."""
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_same_arguments_draw_the_same_frame() -> None:
    for one, other in zip(draw_street(3, 4, SIZE), draw_street(3, 4, SIZE), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(("seed", "index"), [(3, 5), (4, 4)])
def test_another_index_or_seed_draws_another_frame(seed: int, index: int) -> None:
    one, other = draw_street(3, 4, SIZE), draw_street(seed, index, SIZE)
    assert (one.image != other.image).mean() > 0.5
    assert (one.label_ids != other.label_ids).mean() > 0.1


@pytest.mark.parametrize("size", [(64, 64), (65, 131), (256, 512)])
def test_frames_have_the_size_asked_for(size: tuple[int, int]) -> None:
    street = draw_street(0, 0, size)
    assert street.image.shape == (*size, 3)
    assert street.image.dtype == street.label_ids.dtype == np.uint8
    assert street.label_ids.shape == street.instance_ids.shape == size
    assert street.instance_ids.dtype == np.uint16


def test_every_pixel_has_a_class_and_all_classes_occur() -> None:
    found = [set(np.unique(draw_street(0, index, (64, 128)).label_ids)) for index in range(12)]
    assert set.union(*found) == CLASSES
    assert all(len(classes) >= 7 for classes in found)


def test_instance_ids_agree_with_label_ids() -> None:
    for index in range(6):
        street = draw_street(1, index, (96, 192))
        counted = street.instance_ids >= 1000
        assert np.array_equal(np.isin(street.label_ids, list(WITH_INSTANCES)), counted)
        labels = np.where(counted, street.instance_ids // 1000, street.instance_ids)
        assert np.array_equal(labels, street.label_ids)


def test_drawing_leaves_the_global_random_generators_alone() -> None:
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    draw_street(0, 1, SIZE)
    assert np.random.random() == expected  # noqa: NPY002


def test_files_lie_as_those_of_cityscapes(written: Path) -> None:
    images = sorted(written.glob("leftImg8bit/*/*/*_leftImg8bit.png"))
    assert [path.parts[-3] for path in images].count("train") == 3
    assert [path.parts[-3] for path in images].count("val") == 2
    for path in images:
        split, city, name = path.parts[-3:]
        assert name.split("_")[0] == city
        stem = name.removesuffix("_leftImg8bit.png")
        for suffix, depth in (("labelIds", np.uint8), ("instanceIds", np.uint16)):
            ids = cv2.imread(
                str(written / "gtFine" / split / city / f"{stem}_gtFine_{suffix}.png"), cv2.IMREAD_UNCHANGED
            )
            assert ids is not None
            assert ids.dtype == depth
            assert ids.shape == SIZE
        assert cv2.imread(str(path)).shape == (*SIZE, 3)
    assert len(files_of(written)) == 3 * 5 + 1


def test_files_hold_the_frames_that_are_drawn(written: Path) -> None:
    path = next(written.glob("leftImg8bit/val/*/*.png"))
    street = draw_street(5, int(path.name.split("_")[1]), SIZE)
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], street.image)
    label = str(path).replace("leftImg8bit/", "gtFine/").replace("leftImg8bit.png", "gtFine_labelIds.png")
    assert np.array_equal(cv2.imread(label, cv2.IMREAD_UNCHANGED), street.label_ids)


def test_training_and_validation_share_no_city_and_no_frame(written: Path) -> None:
    names = {
        split: [path.name.split("_")[:2] for path in written.glob(f"leftImg8bit/{split}/*/*")]
        for split in ("train", "val")
    }
    for part in (0, 1):
        assert not {name[part] for name in names["train"]} & {name[part] for name in names["val"]}


def test_a_second_call_does_nothing(root: Path) -> None:
    before = files_of(root)
    assert write_streets(root, train=3, val=2, size=SIZE, seed=5) == root
    assert files_of(root) == before


@pytest.mark.parametrize("changed", [{"seed": 6}, {"train": 2}, {"size": (64, 96)}])
def test_other_parameters_replace_the_frames(root: Path, changed: dict[str, object]) -> None:
    parameters = {"train": 3, "val": 2, "size": SIZE, "seed": 5, **changed}
    write_streets(root, **parameters)  # type: ignore[arg-type]
    record = json.loads((root / "streets.json").read_text(encoding="utf-8"))
    assert record == {"version": write.VERSION, **parameters, "size": list(parameters["size"])}  # type: ignore[call-overload]
    assert len(list(root.glob("leftImg8bit/train/*/*.png"))) == parameters["train"]
    assert os.listdir(root.parent) == ["streets"]


def test_frames_of_another_version_of_the_generator_are_replaced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(root)
    monkeypatch.setattr(write, "VERSION", write.VERSION + 1)
    write_streets(root, train=3, val=2, size=SIZE, seed=5)
    after = files_of(root)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)


def test_a_broken_record_of_ours_is_mended(root: Path) -> None:
    (root / "streets.json").write_text("{", encoding="utf-8")
    write_streets(root, train=3, val=2, size=SIZE, seed=5)
    assert json.loads((root / "streets.json").read_text(encoding="utf-8"))["seed"] == 5


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("cat", encoding="utf-8")
    with pytest.raises(DataError, match=r"photos.*choose another data\.root"):
        write_streets(tmp_path / "photos", train=1, val=1, size=SIZE, seed=0)
    assert list(files_of(tmp_path)) == ["photos/cat.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_streets(tmp_path / "empty", train=1, val=0, size=SIZE, seed=0)
    assert (tmp_path / "empty" / "streets.json").exists()


def test_nothing_is_left_behind_when_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no paint")

    monkeypatch.setattr(write, "draw_street", fail)
    with pytest.raises(RuntimeError, match="no paint"):
        write_streets(tmp_path / "streets", train=1, val=1, size=SIZE, seed=0)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("size", [(8, 8), (64,), (64, 9000)])
def test_impossible_sizes_are_refused(tmp_path: Path, size: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"data\.prepare\.size"):
        write_streets(tmp_path / "streets", train=1, val=1, size=size, seed=0)  # type: ignore[arg-type]


def test_progress_is_told_of_every_frame(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_streets(
        tmp_path / "streets", train=2, val=1, size=SIZE, seed=0, progress=lambda done, all_: told.append((done, all_))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_processes_that_start_together_end_with_the_same_streets(tmp_path: Path) -> None:
    root, context = tmp_path / "streets", get_context("spawn")
    write_streets(root, train=1, val=0, size=SIZE, seed=1)  # what both of them have to replace
    wanted = {"train": 2, "val": 1, "size": SIZE, "seed": 2}
    workers = [context.Process(target=write_streets, args=(root,), kwargs=wanted) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(list(root.glob("leftImg8bit/*/*/*.png"))) == 3
    assert os.listdir(tmp_path) == ["streets"]
