"""What the report says of scores: intervals, differences, exits, places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.report.shown import section_of, words_of

from icnet.report.page import build_page
from icnet.report.plot import choose_ticks
from icnet.report.run import Run
from icnet.report.values import TIMES, percent, say_bounds
from icnet.visualize.history import History


def run_of(metrics: dict[str, Any], **protocol: Any) -> Run:
    return Run(
        Path("nowhere"), {"task": "evaluate", "name": "x", "metrics": metrics, "protocol": protocol, "seconds": 3.0}
    )


def compared(low: float, high: float) -> str:
    other = {"checkpoint": "a<b>.ckpt", "miou": 0.5, "difference": (low + high) / 2, "difference_interval": [low, high]}
    return words_of(section_of(run_of({"miou": 0.52, "compare": other}), "comparison"))


def test_the_opening_has_the_result_with_its_interval_and_the_best_and_worst_class() -> None:
    run = run_of(
        {"miou": 0.566, "miou_interval": [0.555, 0.5757], "iou": {"car": 0.4, "road": 0.9, "sky": None}},
        images=101, data="camvid", split="val",
    )  # fmt: skip
    words = words_of(build_page(run))
    assert (
        "icnet · evaluate x This network reaches a mean IoU of 56.6 % (95 % interval: 55.5 to 57.6 %) on 101 images of "
        "camvid (val). It is best at road (90.0 %) and worst at car (40.0 %). Mean IoU (intersection over union):"
    ) in words
    assert "95 % interval 55.5 to 57.6; mean over 2 classes" in words


def test_label_maps_of_another_program_are_not_called_a_network() -> None:
    assert "The label maps reach a mean IoU of 50.0 % on 1 image." in words_of(
        build_page(run_of({"miou": 0.5}, predictions="theirs", images=1))
    )


def test_an_interval_that_is_not_known_is_left_out() -> None:
    exits = {"sub4": {"miou": 0.3, "miou_interval": [None, None], "image_ms": 1.0}, "sub124": {"miou": 0.5}}
    run = run_of({"miou": 0.5, "miou_interval": [None, None], "exits": exits})
    assert "interval:" not in words_of(build_page(run))
    assert "sub4 1/4 branch 30.0 1.0 sub124 whole network 50.0" in words_of(section_of(run, "exits"))


def test_nothing_has_no_sign() -> None:
    """Halves of a tenth and less are nothing, on either side."""
    assert [percent(ratio) for ratio in (-0.0, -0.0004, 0.0004, -0.0006)] == ["0.0", "0.0", "0.0", "-0.1"]
    assert [percent(ratio, 2) for ratio in (-0.00004, -0.0004)] == ["0.00", "-0.04"]
    assert say_bounds([-0.0004, 0.0]) == "0.0 to 0.0"
    assert "drop 0" in words_of(section_of(run_of({"miou": 0.5}, drop=-0.0), "protocol"))
    metrics = {
        "miou": 0.5, "checkpoint_miou": 0.5, "drop": -1e-5, "drop_interval": [-2e-5, 0.0], "agreement": 1.0,
        "median_ms": 1.0, "checkpoint_median_ms": 1.0, "iou": {"a": 0.5}, "checkpoint_iou": {"a": 0.49999},
    }  # fmt: skip
    words = words_of(section_of(run_of(metrics, engine="x", threads=1), "certificate"))
    assert "a drop of 0.00 points (95 % interval: 0.00 to 0.00)" in words
    assert "in points: a 0.00." in words


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.0004, 0.0004, "0.0 points (0.0 to 0.0) . The interval includes zero"),
        (0.004, 0.026, "+1.5 points (+0.4 to +2.6) . The interval excludes zero: this network is better"),
        (-0.03, -0.01, "-2.0 points (-3.0 to -1.0) . The interval excludes zero: this network is worse"),
        (
            -0.01,
            0.02,
            "+0.5 points (-1.0 to +2.0) . The interval includes zero: on these images the two cannot be told",
        ),
    ],
)
def test_a_difference_is_told_with_what_its_interval_means(low: float, high: float, verdict: str) -> None:
    words = compared(low, high)
    assert verdict in words
    assert words.startswith("This network has 52.0 %, a<b>.ckpt has 50.0 % on the same images.")


def test_the_exits_have_score_time_and_work_and_are_compared() -> None:
    early = {"miou": 0.5, "miou_interval": [0.4, 0.6], "image_ms": 30.0, "macs": 16e8}
    late = {"miou": 0.57, "miou_interval": [0.5, 0.6], "image_ms": 40.0, "macs": 24e8}
    words = words_of(section_of(run_of({"exits": {"sub4": early, "sub124": late}}), "exits"))
    assert "sub4 1/4 branch 50.0 (40.0 to 60.0) 30.0 1.60" in words
    assert "sub4 takes 75.0 % of the time of the whole network, and its mIoU is 7.0 points lower." in words
    assert section_of(run_of({"exits": {"sub124": late}}), "exits") == ""


def test_the_classes_come_best_first_and_the_absent_ones_last() -> None:
    metrics = {"iou": {"car": 0.4, "sky": None, "road": 0.9}, "boundary": {"iou_of": {"car": 0.2, "road": 0.3}}}
    words = words_of(section_of(run_of(metrics), "classes"))
    assert "road 90.0 30.0 car 40.0 20.0 sky absent neither labelled nor predicted \N{EN DASH}" in words
    assert "Boundary IoU, %" in words
    assert "Boundary F" not in words


def test_categories_and_instances_are_shown_where_the_data_has_them() -> None:
    metrics = {"category_iou": {"flat": 0.9, "vehicle": 0.5}, "category_iiou_of": {"vehicle": 0.3}, "iiou": 0.25}
    assert "flat 90.0 \N{EN DASH} vehicle 50.0 30.0" in words_of(section_of(run_of(metrics), "categories"))
    assert "iIoU 25.0 % IoU in which each object weighs the same" in words_of(
        section_of(run_of(metrics), "further-scores")
    )
    assert section_of(run_of({}), "categories") == ""


def test_bands_and_sizes_keep_their_order_and_tell_what_the_limits_are_in_pixels() -> None:
    metrics = {
        "miou_by_distance": {"up to 2 px": 0.3, "above 2 px": 0.6},
        "miou_by_size": {"up to 1 %": 0.9, "above 1 %": 0.1},
    }
    words = words_of(section_of(run_of(metrics, image_size=[1024, 2048]), "where-it-fails"))
    assert "Right at the outlines (up to 2 px) it is 30.0 %; highest above 2 px, 60.0 %." in words
    assert "up to 1 % 90.0 above 1 % 10.0" in words
    assert "about 32, 96 and 288 pixels a side" in words  # as the metric's own source says
    assert section_of(run_of({}), "where-it-fails") == ""


def test_the_protocol_says_in_words_how_frames_were_read() -> None:
    read = {"images": 2, "image_size": [3, 4], "size": [5, 6], "scales": [0.5, 1.0], "flip": True, "exit": "sub24"}
    words = words_of(section_of(run_of({}, **read), "protocol"))
    assert f"Judged: 2 images, 3 {TIMES} 4 pixels (height {TIMES} width), at the size of their labels." in words
    assert (
        f"read each image whole, resized to 5 {TIMES} 6, at the scales 0.5, 1 and mirrored, the probabilities averaged."
        in words
    )
    assert "It stopped at its exit sub24." in words


def test_ticks_are_round_and_within_the_limits() -> None:
    assert choose_ticks((0, 100)) == [0, 20, 40, 60, 80, 100]
    assert choose_ticks((0, 3.9)) == [0, 1, 2, 3]
    assert choose_ticks((46, 59)) == [46, 48, 50, 52, 54, 56, 58]


def test_points_lie_where_their_values_are() -> None:
    run = Run(Path("nowhere"), {}, History({"step": [100.0, 200.0], "val/miou": [0.25, 0.75]}))
    drawn = section_of(run, "training")
    assert '<polyline points="50.0,75.0 100.0,25.0"' in drawn
    assert '<i class="dot" style="left:100.00%;bottom:75.00%;' in drawn
    assert re.findall('<span class="y" style="bottom:(.*)%">(.*)</span>', drawn)[:2] == [("0.00", "0"), ("20.00", "20")]


def test_an_interval_reaches_from_bound_to_bound() -> None:
    exits = {
        "sub4": {"miou": 0.5, "image_ms": 50.0},
        "sub124": {"miou": 0.5, "miou_interval": [0.4, 0.6], "image_ms": 100.0},
    }
    drawn = section_of(
        run_of({"exits": exits}), "exits"
    )  # 40 to 60 in a plot from 37 to 63; 100 ms in one up to 115 ms
    assert '<i class="bounds" style="left:86.96%;bottom:11.54%;height:76.92%">' in drawn
    assert drawn.count('class="bounds"') == 1


def test_every_loss_that_was_logged_is_drawn() -> None:
    logged = {
        "train/loss_distill": 3.0,
        "train/loss": 9.0,
        "train/loss_sub4": 2.0,
        "val/loss": 8.0,
        "train/lossless": 5.0,
    }
    history = History({"step": [1.0, 2.0]} | {column: [value, value] for column, value in logged.items()})
    drawn = section_of(Run(Path("nowhere"), {}, history), "training")
    legend = re.findall('<i class="dash" style="background:(.*?)"></i>(.*?)</li>', drawn)
    assert [name for _, name in legend] == ["weighted sum", "sub4 (1/16)", "distill"]
    assert len({color for color, _ in legend}) == 3
    assert drawn.count("<polyline") == 2 * 3  # as it was logged, and its running mean
