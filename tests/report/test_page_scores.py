"""What the report says of scores: intervals, differences, exits, places."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from icnet.report.classes import categories, classes
from icnet.report.exits import comparison, exits
from icnet.report.markup import TIMES, percent_within
from icnet.report.places import places
from icnet.report.plot import Dot, Frame, Line, choose_ticks, plot
from icnet.report.protocol import protocol
from icnet.report.run import Run
from icnet.report.scores import cards, further_scores, opening


def words_of(part: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", part)).split())


def run_of(metrics: dict[str, Any], **protocol: Any) -> Run:
    return Run(Path("run"), {"task": "evaluate", "name": "x", "metrics": metrics, "protocol": protocol, "seconds": 3.0})


def compared(low: float, high: float) -> str:
    other = {"checkpoint": "a<b>.ckpt", "miou": 0.5, "difference": (low + high) / 2, "difference_interval": [low, high]}
    return words_of(comparison(run_of({"miou": 0.52, "compare": other})))


def test_the_opening_has_the_result_with_its_interval_and_the_best_and_worst_class() -> None:
    run = run_of(
        {"miou": 0.566, "miou_interval": [0.555, 0.5757], "iou": {"car": 0.4, "road": 0.9, "sky": None}},
        images=101, data="camvid", split="val",
    )  # fmt: skip
    words = words_of(opening(run))
    assert words.startswith(
        "This network reaches a mean IoU of 56.6 % (95 % interval: 55.5 to 57.6 %) on 101 images of camvid (val). "
        "It is best at road (90.0 %) and worst at car (40.0 %)."
    )
    assert "95 % interval 55.5 to 57.6; mean over 2 classes" in words_of(cards(run))


def test_label_maps_of_another_program_are_not_called_a_network() -> None:
    assert "The label maps reach a mean IoU of 50.0 % on 1 image." in words_of(
        opening(run_of({"miou": 0.5}, predictions="theirs", images=1))
    )


def test_an_interval_that_is_not_known_is_left_out() -> None:
    assert percent_within(0.566, [0.555, 0.5757]) == "56.6 (55.5 to 57.6)"
    assert percent_within(0.566, [None, None]) == percent_within(0.566, None) == "56.6"
    assert "interval" not in words_of(opening(run_of({"miou": 0.5, "miou_interval": [None, None]})))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
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
    words = words_of(exits(run_of({"exits": {"sub4": early, "sub124": late}})))
    assert "sub4 1/4 branch 50.0 (40.0 to 60.0) 30.0 1.60" in words
    assert "sub4 takes 75.0 % of the time of the whole network, and its mIoU is 7.0 points lower." in words
    assert exits(run_of({"exits": {"sub124": late}})) == ""


def test_the_classes_come_best_first_and_the_absent_ones_last() -> None:
    metrics = {"iou": {"car": 0.4, "sky": None, "road": 0.9}, "boundary": {"iou_of": {"car": 0.2, "road": 0.3}}}
    words = words_of(classes(run_of(metrics)))
    assert "road 90.0 30.0 car 40.0 20.0 sky absent neither labelled nor predicted \N{EN DASH}" in words
    assert "Boundary IoU, %" in words
    assert "Boundary F" not in words


def test_categories_and_instances_are_shown_where_the_data_has_them() -> None:
    metrics = {"category_iou": {"flat": 0.9, "vehicle": 0.5}, "category_iiou_of": {"vehicle": 0.3}, "iiou": 0.25}
    assert "flat 90.0 \N{EN DASH} vehicle 50.0 30.0" in words_of(categories(run_of(metrics)))
    assert "iIoU 25.0 % IoU in which each object weighs the same" in words_of(further_scores(run_of(metrics)))
    assert categories(run_of({})) == ""


def test_bands_and_sizes_keep_their_order_and_tell_what_the_limits_are_in_pixels() -> None:
    metrics = {
        "miou_by_distance": {"up to 2 px": 0.3, "above 2 px": 0.6},
        "miou_by_size": {"up to 1 %": 0.9, "above 1 %": 0.1},
    }
    words = words_of(places(run_of(metrics, image_size=[1024, 2048])))
    assert "Right at the outlines (up to 2 px) it is 30.0 %; highest above 2 px, 60.0 %." in words
    assert "up to 1 % 90.0 above 1 % 10.0" in words
    assert "about 32, 96 and 288 pixels a side" in words  # as the metric's own source says
    assert places(run_of({})) == ""


def test_the_protocol_says_in_words_how_frames_were_read() -> None:
    words = words_of(
        protocol(run_of({}, images=2, image_size=[3, 4], size=[5, 6], scales=[0.5, 1.0], flip=True, exit="sub24"))
    )
    assert f"Judged: 2 images, 3 {TIMES} 4 pixels (height {TIMES} width), at the size of their labels." in words
    assert (
        f"read each image whole, resized to 5 {TIMES} 6, at the scales 0.5, 1 and mirrored, the probabilities averaged."
        in words
    )
    assert "It stopped at its exit sub24." in words


def test_ticks_are_round_and_within_the_limits() -> None:
    assert choose_ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert choose_ticks(0, 3.9) == [0, 1, 2, 3]
    assert choose_ticks(46, 59) == [46, 48, 50, 52, 54, 56, 58]


def test_points_lie_where_their_values_are() -> None:
    frame = Frame((0, 200), (0, 10), "ms", "%")
    drawn = plot(frame, [Line([0, 200], [0, 10], "red")], [Dot(50, 7.5, "red", "a", (5, 10))], "alt")
    assert 'points="0,1000 1000,0"' in drawn
    assert "left:25.00%;bottom:75.00%" in drawn
    assert "left:25.00%;bottom:50.00%;height:50.00%" in drawn  # its interval
