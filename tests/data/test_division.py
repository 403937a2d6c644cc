"""Which frames train and which validate."""

from __future__ import annotations

from pathlib import Path

import pytest

from icnet.data.division import Division, find_cut, find_shared, propose_group
from icnet.data.samples import Layout, Sample, Survey
from icnet.data.subset import deal_folds, draw_groups
from icnet.errors import ConfigError, DataError

DRIVE = "^[^_]+"


class Named(Layout):
    """Frames by name alone, in splits."""

    signs = ()

    def __init__(self, **splits: list[str]) -> None:
        object.__setattr__(self, "splits", splits)

    def samples(self, split: str) -> list[Sample]:
        return named(*self.splits[split])

    def survey(self, split: str) -> Survey:
        raise NotImplementedError


def named(*names: str) -> list[Sample]:
    return [Sample(Path(f"{name}.jpg"), Path(f"{name}.png")) for name in names]


def names_of(samples: list[Sample]) -> list[str]:
    return [sample.image.stem for sample in samples]


DATA = Named(train=["A_1", "A_2", "B_1", "C_1"], val=["C_2", "C_3"])


def test_the_splits_are_taken_as_they_are() -> None:
    train, val = Division(["train"], ["val"], group=DRIVE).divide(DATA)
    assert (len(train), names_of(val)) == (4, ["C_2", "C_3"])


def test_a_group_that_is_held_out_validates_and_all_others_train() -> None:
    division = Division(["train", "val"], ["val"], group=DRIVE, holdout=["C"])
    train, val = division.divide(DATA)
    assert (names_of(train), names_of(val)) == (["A_1", "A_2", "B_1"], ["C_1", "C_2", "C_3"])
    assert names_of(division.find(DATA, ["train"])) == names_of(train)
    assert (division.words, division.packed_val) == ("C of train+val", ["train", "val"])


def test_a_fraction_takes_runs_of_frames_where_names_tell_no_groups() -> None:
    """20 of 100 frames in five runs of four: no frame validates alone between two that train."""
    data = Named(train=[f"{number:03}" for number in range(100)])
    _, val = Division(["train"], [], 0.2).divide(data)
    numbers = [int(name) for name in names_of(val)]
    assert len(numbers) == 20
    assert [number for number in numbers if number % 4 == 0] == [number // 4 * 4 for number in numbers[::4]]


def test_a_fraction_takes_whole_groups_where_frames_have_them() -> None:
    data = Named(train=[f"{drive}_{frame}" for drive in "ABCDE" for frame in range(4)])
    train, val = Division(["train"], [], 0.3, DRIVE).divide(data)
    assert {name[0] for name in names_of(train)} & {name[0] for name in names_of(val)} == set()
    assert len(val) == 8  # of 20; with one group of four it would be as far from 6


@pytest.mark.parametrize(
    ("sizes", "share", "drawn"),
    [
        ({"a": 1000, "b": 3}, 0.2, 3),  # the large one would be 99.7 %
        ({"a": 100, "b": 100, "c": 800}, 0.2, 200),
        ({"a": 5, "b": 5}, 0.9, 5),  # all but one at most
    ],
)
def test_groups_come_as_near_to_the_share_as_they_can(sizes: dict[str, int], share: float, drawn: int) -> None:
    groups = [name for name, size in sizes.items() for _ in range(size)]
    assert sum(sizes[name] for name in draw_groups(groups, share)) == drawn


def test_a_fraction_of_one_group_is_refused_by_its_own_name() -> None:
    with pytest.raises(DataError, match=r"data\.val_fraction=0\.2 takes all groups of train"):
        Division(["train"], [], 0.2, "^A").divide(Named(train=["A_1", "A_2"]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fraction": 0.2, "holdout": ["A"], "group": DRIVE}, "give one of them"),
        ({"holdout": ["A"]}, r"data\.holdout needs data\.group"),
        ({"group": "(", "holdout": ["A"]}, r"data\.group='\(' is no regular expression"),
        ({"fraction": 1.5}, r"data\.val_fraction is 1\.5"),
    ],
)
def test_settings_that_say_nothing_clear_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Division(["train"], ["val"], **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("holdout", "words"),
    [
        (["D"], r"data\.holdout=D is no group of train, in which data\.group finds A \(2\), B \(1\), C \(1\)"),
        (["A", "B", "C"], "are all groups of train.*leave one to train on"),
    ],
)
def test_groups_that_leave_a_part_empty_are_refused(holdout: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Division(["train"], [], group=DRIVE, holdout=holdout).divide(DATA)


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (["cam_a_001", "cam_a_002", "cam_a_003", "cam_b_001", "cam_b_002", "cam_b_003"], r"^.+(?=[_-]\d+$)"),
        (["a_01_l", "a_02_l", "a_03_l", "b_01_l", "b_02_l", "b_03_l"], "^[^_-]+(?=[_-])"),
        (["001", "002", "003", "004", "005", "006"], None),
        (["drive_001", "drive_002", "drive_003"], None),  # one group alone divides nothing
        (["x_1", "y_1", "z_1", "x_2", "y_2", "z_2"], None),  # of two frames each: names, hardly drives
    ],
)
def test_groups_are_found_in_the_names_of_frames(names: list[str], group: str | None) -> None:
    assert propose_group(named(*names)) == group


@pytest.mark.parametrize(("last", "found"), [(3, True), (40, True), (200, False)])
def test_groups_cut_a_validation_only_where_it_comes_near_the_share(last: int, found: bool) -> None:
    """Of three groups, two of which have ten frames."""
    names = [f"{drive}_{frame}" for drive, count in (("a", 10), ("b", 10), ("c", last)) for frame in range(count)]
    group = find_cut(named(*names), 0.2)
    assert (group is not None) is found
    if group is not None:
        _, val = Division(["train"], [], 0.2, group).divide(Named(train=names))
        assert 0.1 <= len(val) / len(names) <= 0.4


def test_frames_of_one_drive_on_both_sides_are_counted() -> None:
    assert find_shared(DATA.samples("train"), DATA.samples("val"), DRIVE) == {"C": 2}


def test_each_frame_of_training_and_validation_is_judged_in_one_fold_which_the_others_train() -> None:
    judged = []
    for fold in range(3):
        division = Division(["train"], ["val"], folds=3, fold=fold)
        train, val = division.divide(DATA)
        assert sorted(names_of(train + val)) == ["A_1", "A_2", "B_1", "C_1", "C_2", "C_3"]
        assert division.words == f"fold {fold + 1} of 3 of train+val"
        judged += names_of(val)
    assert sorted(judged) == ["A_1", "A_2", "B_1", "C_1", "C_2", "C_3"]


def test_a_group_is_judged_as_a_whole_and_folds_are_about_as_large() -> None:
    division = Division(["train"], ["val"], group=DRIVE, folds=2)
    assert names_of(division.divide(DATA)[1]) == ["C_1", "C_2", "C_3"]  # the largest; A and B fill the other


def test_folds_of_frames_without_groups_are_runs_that_follow_each_other() -> None:
    folds = deal_folds([f"{number:03}" for number in range(100)], 4)
    assert folds[:11] == [0] * 5 + [1] * 5 + [2]
    assert [folds.count(fold) for fold in range(4)] == [25] * 4


def test_where_validation_is_cut_from_the_training_splits_folds_are_of_these_alone() -> None:
    division = Division(["train"], ["val"], fraction=0.25, folds=2)
    assert division.divided == division.packed_val == ["train"]
    assert sorted(names_of([s for part in division.divide(DATA) for s in part])) == ["A_1", "A_2", "B_1", "C_1"]


def test_folds_that_cannot_be_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"data\.folds is 1 and data\.fold 0: give 2 folds or more"):
        Division(["train"], ["val"], folds=1)
    with pytest.raises(ConfigError, match=r"data\.folds is 3 and data\.fold 3"):
        Division(["train"], ["val"], folds=3, fold=3)
    with pytest.raises(ConfigError, match=r"data\.folds is None and data\.fold 1"):
        Division(["train"], ["val"], fold=1)
    with pytest.raises(DataError, match=r"task\.folds=4 is more than the 3 groups that data\.group finds: C \(3\), A"):
        Division(["train"], ["val"], group=DRIVE, folds=4).divide(DATA)
