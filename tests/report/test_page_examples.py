"""Single frames: their pictures, their numbers, how they are chosen and shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.report.shown import section_of

from icnet.data.images import read_image
from icnet.data.labels import IGNORE, ClassTable
from icnet.errors import DataError
from icnet.report.pictures import embed_examples
from icnet.report.run import Run
from icnet.tasks.evaluate.figures import choose_examples
from icnet.visualize.examples import read_examples, write_examples
from icnet.visualize.rows import Row

CLASSES = ClassTable(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))


def row_of(size: tuple[int, int] = (8, 10), name: str = "a<b>") -> Row:
    """Road on the left half, ignored in the last column; a tenth of the image is car where road is."""
    label, prediction = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    label[:, size[1] // 2 :] = prediction[:, size[1] // 2 :] = 2
    label[:, -1] = IGNORE
    prediction[:, 0] = 1
    return Row(np.full((*size, 3), 90, np.uint8), label, prediction, name)


def write(folder: Path, **groups: list[Row]) -> None:
    write_examples(folder, groups, CLASSES)


def test_an_example_has_the_numbers_of_its_frame(tmp_path: Path) -> None:
    write(tmp_path, worst=[row_of()])
    (example,) = read_examples(tmp_path)["worst"]
    assert example.miou == pytest.approx((4 / 5 + 0 + 1) / 3)
    assert example.wrong == pytest.approx(1 / 9)
    assert example.mistake is not None
    assert tuple(example.mistake) == ("road", "car", pytest.approx(1 / 9))
    assert example.seen == ["road", "car", "sky"]
    assert example.ignored


def test_a_frame_without_a_fault_or_without_labels_has_no_mistake(tmp_path: Path) -> None:
    right = row_of()._replace(prediction=np.where(row_of().label == IGNORE, 2, row_of().label).astype(np.uint8))
    blank = row_of()._replace(label=np.full((8, 10), IGNORE, np.uint8))
    write(tmp_path, worst=[right, blank])
    first, second = read_examples(tmp_path)["worst"]
    assert (first.miou, first.wrong, first.mistake) == (1.0, 0.0, None)
    assert (second.miou, second.wrong, second.mistake) == (None, 0.0, None)


def test_colours_are_exact_and_large_frames_become_small(tmp_path: Path) -> None:
    write(tmp_path, worst=[row_of((600, 1200))])
    pictures = read_examples(tmp_path)["worst"][0].pictures
    prediction = read_image(pictures["prediction"])
    assert prediction.shape == (280, 560, 3)
    assert {tuple(color) for color in prediction.reshape(-1, 3).tolist()} <= set(CLASSES.colors)
    error = read_image(pictures["error"])
    assert tuple(error[100, 100]) != tuple(error[100, 0]) == (214, 39, 40)


def test_writing_again_leaves_nothing_of_the_earlier_examples(tmp_path: Path) -> None:
    write(tmp_path, worst=[row_of(), row_of()], typical=[row_of()])
    write(tmp_path, spread=[row_of()])
    assert list(read_examples(tmp_path)) == ["spread"]
    assert len(list((tmp_path / "examples").iterdir())) == 5  # four pictures and the index


def test_each_frame_stands_with_its_legend_and_alternatives_for_its_pictures(tmp_path: Path) -> None:
    write(tmp_path, worst=[row_of()])
    run = Run(tmp_path, {"protocol": {"classes": CLASSES.to_dict()}})
    page = section_of(run, "images")
    assert "1. a&lt;b&gt;" in page
    assert "11.1\u00a0% of the pixels wrong, above all road taken for car (11.1\u00a0%)" in " ".join(page.split("\n"))
    assert page.count('src="data:image/webp;base64,') == 4
    assert 'alt="Wrong pixels of a&lt;b&gt;: 11.1\u00a0%"' in page
    for color in ("128 64 128", "0 0 142", "70 130 180"):
        assert f"background:rgb({color})" in page


def test_an_index_or_a_picture_that_is_broken_is_named(tmp_path: Path) -> None:
    write(tmp_path, worst=[row_of()])
    next((tmp_path / "examples").glob("*_label.webp")).unlink()
    with pytest.raises(DataError, match=r"worst_01_label\.webp cannot be read"):
        embed_examples(tmp_path)
    (tmp_path / "examples" / "examples.json").write_text('{"worst": [{}]}')
    with pytest.raises(DataError, match=r"examples\.json is not what icnet wrote"):
        embed_examples(tmp_path)


def matrices(ratios: list[float | None]) -> torch.Tensor:
    """Of frames in which a share of the pixels of the first of two classes is right; None: nothing is labelled."""
    counts = [[0, 0] if ratio is None else [round(1000 * ratio), round(1000 - 1000 * ratio)] for ratio in ratios]
    return torch.tensor([[pair, [0, 0]] for pair in counts])


def test_the_worst_frames_come_first_and_the_typical_ones_lie_around_the_median() -> None:
    order = torch.randperm(101, generator=torch.Generator().manual_seed(0)).tolist()
    chosen = choose_examples(matrices([place / 1000 for place in order]))
    assert [order[i] for i in chosen["worst"]] == list(range(10))
    assert [order[i] for i in chosen["typical"]] == list(range(45, 55))


@pytest.mark.parametrize(
    ("ratios", "worst", "typical"),
    [
        ([0.5], [0], []),
        ([0.9, 0.1], [1], [0]),
        ([0.9, None, 0.1, 0.5], [2], [3]),
        ([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [5, 4], [3, 2]),
    ],
)
def test_of_few_frames_none_is_both_and_unlabelled_ones_are_neither(
    ratios: list[float | None], worst: list[int], typical: list[int]
) -> None:
    assert choose_examples(matrices(ratios)) == {"worst": worst, "typical": typical}
