"""Colour maps, rows, plots and the history they are drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from icnet.data.images import read_image
from icnet.data.labels import IGNORE, ClassTable
from icnet.errors import DataError
from icnet.visualize.colors import colorize, overlay
from icnet.visualize.curves import draw_losses, draw_miou, list_losses, smooth
from icnet.visualize.history import History, read_history
from icnet.visualize.rows import Row, draw_rows, mark_errors, mark_ignored
from icnet.visualize.scores import draw_class_iou, draw_confusion

CLASSES = ClassTable(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def has_color(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((image == color).all(axis=-1).any())


def drawn(path: Path) -> np.ndarray:
    """The picture, which has to hold more than white."""
    image = read_image(path)
    assert (image < 128).any()
    return image


def test_every_class_gets_its_own_colour_and_ignored_pixels_black() -> None:
    colored = colorize(np.array([[0, 1], [2, IGNORE]], np.uint8), CLASSES)
    assert colored.dtype == np.uint8
    assert colored.tolist() == [[[128, 64, 128], [0, 0, 142]], [[70, 130, 180], [0, 0, 0]]]


def test_an_overlay_blends_by_alpha_and_keeps_ignored_pixels() -> None:
    image = np.full((1, 2, 3), 100, np.uint8)
    label_map = np.array([[0, IGNORE]], np.uint8)
    assert overlay(image, label_map, CLASSES).tolist() == [[[114, 82, 114], [100, 100, 100]]]
    assert overlay(image, label_map, CLASSES, alpha=1.0)[0, 0].tolist() == [128, 64, 128]
    assert overlay(image, label_map, CLASSES, alpha=0.0)[0, 0].tolist() == [100, 100, 100]


def test_an_overlay_refuses_a_label_map_of_another_size() -> None:
    with pytest.raises(ValueError, match="must agree"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), CLASSES)


def test_stripes_touch_ignored_pixels_only() -> None:
    label = np.zeros((40, 40), np.uint8)
    label[20:] = IGNORE
    marked = mark_ignored(colorize(label, CLASSES), label)
    assert (marked[:20] == CLASSES.palette[0]).all()
    assert len(np.unique(marked[20:].reshape(-1, 3), axis=0)) == 2  # black and the stripe


def test_rows_show_image_label_and_prediction_side_by_side(tmp_path: Path) -> None:
    size = (60, 120)
    image, label, prediction = np.full((*size, 3), 200, np.uint8), np.zeros(size, np.uint8), np.full(size, 2, np.uint8)
    label[50:] = IGNORE
    draw_rows([Row(image, label, prediction, "one")] * 2, CLASSES, tmp_path / "figures" / "rows.png")
    picture = read_image(tmp_path / "figures" / "rows.png")
    third = picture.shape[1] // 3
    parts = [picture[:, i * third : (i + 1) * third] for i in range(3)]
    wanted = ((200, 200, 200), CLASSES.colors[0], CLASSES.colors[2])
    for place, color in enumerate(wanted):
        shares = [float((part == color).all(axis=-1).mean()) for part in parts]
        assert int(np.argmax(shares)) == place
    assert has_color(parts[1], (58, 58, 64))


def test_rows_of_different_sizes_make_one_picture_and_no_row_is_refused(tmp_path: Path) -> None:
    rows = [Row(np.zeros((*size, 3), np.uint8), *[np.zeros(size, np.uint8)] * 2, "x") for size in ((20, 60), (60, 20))]
    draw_rows(rows, CLASSES, tmp_path / "rows.png")
    drawn(tmp_path / "rows.png")
    with pytest.raises(ValueError, match="no row"):
        draw_rows([], CLASSES, tmp_path / "rows.png")


def test_a_series_skips_the_rows_that_have_no_such_value(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "metrics.csv", "step,epoch,train/loss,val/miou", "10,0,2.5,", "20,0,,0.25", "30,1,1.5,0.5"
    )
    history = read_history(path)
    assert history.series("train/loss") == ([10, 30], [2.5, 1.5])
    assert history.series("val/miou") == ([20, 30], [0.25, 0.5])
    assert history.columns["val/miou"] == [None, 0.25, 0.5]


def test_a_missing_column_and_an_empty_file_have_no_values(tmp_path: Path) -> None:
    assert read_history(write_csv(tmp_path / "a.csv", "step,train/loss", "1,2")).series("val/miou") == ([], [])
    (tmp_path / "b.csv").touch()
    assert read_history(tmp_path / "b.csv").series("train/loss") == ([], [])


def test_a_cell_that_is_no_number_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3, column train/loss: 'abc'"):
        read_history(write_csv(tmp_path / "metrics.csv", "step,train/loss", "1,2", "2,abc"))
    with pytest.raises(DataError, match="cannot be read"):
        read_history(tmp_path / "none.csv")


def testsmoothing_is_the_mean_of_neighbours_and_keeps_a_constant() -> None:
    assert smooth(np.array([0.0, 3.0, 6.0, 0.0]), 1).tolist() == [1.5, 3.0, 3.0, 3.0]
    assert smooth(np.full(5, 2.0), 2).tolist() == [2.0] * 5
    assert smooth(np.array([1.0, 9.0]), 0).tolist() == [1.0, 9.0]


def test_the_loss_plot_shows_each_stage_in_its_colour(tmp_path: Path) -> None:
    stages = {"sub4": (230, 159, 0), "sub24": (0, 158, 115), "sub124": (0, 114, 178)}
    columns = {"step": [1.0, 2.0], "train/loss_sub4": [3.0, 2.0], "train/loss_sub24": [2.0, 1.0]}
    draw_losses(History(columns), tmp_path / "losses.png")
    picture = drawn(tmp_path / "losses.png")
    assert [has_color(picture, color) for color in stages.values()] == [True, True, False]


def test_further_terms_of_the_objective_come_after_the_stages_in_colours_of_their_own(tmp_path: Path) -> None:
    columns = {
        "step": [1.0, 2.0],
        "train/loss_distill": [3.0, 2.0],
        "train/loss_sub4": [2.0, 1.0],
        "val/loss": [1.0, 1.0],
    }
    assert [(name, color) for column, name, color in list_losses(History(columns)) if column in columns] == [
        ("sub4 (1/16)", "#e69f00"),
        ("distill", "#cc79a7"),
    ]
    draw_losses(History(columns), tmp_path / "losses.png")
    assert has_color(drawn(tmp_path / "losses.png"), (204, 121, 167))


def test_curves_are_drawn_before_any_validation_and_of_a_diverged_run(tmp_path: Path) -> None:
    history = History({"step": [1.0, 2.0], "train/loss": [1.0, float("nan")], "val/loss": [None, float("inf")]})
    draw_losses(history, tmp_path / "losses.png")
    draw_miou(history, tmp_path / "miou.png")
    for name in ("losses", "miou"):
        drawn(tmp_path / f"{name}.png")


def test_the_miou_plot_has_both_scores(tmp_path: Path) -> None:
    draw_miou(
        History({"step": [1.0, 2.0], "val/miou": [0.5, 0.4], "val/pixel_accuracy": [0.8, 0.9]}), tmp_path / "m.png"
    )
    picture = drawn(tmp_path / "m.png")
    assert has_color(picture, (0, 114, 178))
    assert has_color(picture, (204, 121, 167))


def test_class_bars_have_the_length_of_the_iou_and_the_best_is_on_top(tmp_path: Path) -> None:
    draw_class_iou({"road": 0.4, "car": 0.8, "sky": None}, CLASSES, tmp_path / "iou.png")
    picture = drawn(tmp_path / "iou.png")
    road, car = (np.argwhere((picture == color).all(axis=-1)) for color in CLASSES.colors[:2])
    assert car[:, 0].max() < road[:, 0].min()
    assert np.ptp(car[:, 1]) == pytest.approx(2 * np.ptp(road[:, 1]), rel=0.02)
    assert not has_color(picture, (70, 130, 180))  # sky is absent: no bar


@pytest.mark.filterwarnings("error")
def test_a_confusion_matrix_with_a_class_that_was_never_labelled_draws_without_a_warning(tmp_path: Path) -> None:
    draw_confusion([[90, 10, 0], [5, 95, 0], [0, 0, 0]], CLASSES.names, tmp_path / "confusion.png")
    picture = drawn(tmp_path / "confusion.png")
    assert has_color(picture, (243, 245, 247))  # the row that says so


def test_a_fourth_column_shows_wrong_pixels_in_red_and_leaves_ignored_ones_out(tmp_path: Path) -> None:
    label, prediction = np.zeros((60, 120), np.uint8), np.zeros((60, 120), np.uint8)
    prediction[:, 60:] = 1
    label[30:] = IGNORE
    row = Row(np.full((60, 120, 3), 200, np.uint8), label, prediction, "one")
    assert (mark_errors(row)[:30, 60:] == (214, 39, 40)).all()
    assert not has_color(mark_errors(row)[30:], (214, 39, 40))
    draw_rows([row], CLASSES, tmp_path / "rows.png", errors=True)
    picture = read_image(tmp_path / "rows.png")
    quarter = picture.shape[1] // 4
    shown = [
        has_color(picture[: picture.shape[0] // 2, i * quarter : (i + 1) * quarter], (214, 39, 40)) for i in range(4)
    ]
    assert shown == [False, False, False, True]
