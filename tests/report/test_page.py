"""report.html of a run's folder."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.shown import words_of

from icnet.data.images import write_image
from icnet.errors import DataError, ICNetError
from icnet.report.page import write_report
from icnet.report.pictures import read_plot
from icnet.report.values import TIMES, duration, flatten

VOID = {"meta", "link", "img", "br"}
RESULTS: dict[str, Any] = {
    "task": "train",
    "name": "a <quick> run & more",
    "seconds": 125.0,
    "metrics": {
        "miou": 0.6142,
        "pixel_accuracy": 0.9473,
        "mean_accuracy": 0.701,
        "image_ms": 8.0,
        "iou": {"road": 0.9712, "<b>": 0.3456, "sky": None},
    },
    "protocol": {
        "timing": {"what": "median of 5", "precision": "bfloat16"},
        "split": "val",
        "images": 1234,
        "image_size": [1024, 2048],
        "flip": False,
        "versions": {"torch": "2.8.0"},
        "classes": {"names": ["road", "<b>", "sky"], "colors": [[128, 64, 128], [0, 0, 142], [70, 130, 180]]},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    for name in ("confusion", "zebra", "rows", "losses"):  # all but the zebra the page draws itself
        write_image(tmp_path / "figures" / f"{name}.png", np.zeros((3, 5, 3), np.uint8))
    (tmp_path / "metrics.csv").write_text("step,train/loss,val/miou\n100,1.0,\n200,0.5,0.25\n300,0.4,0.125\n")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("name: x # <script>alert(1)</script>\n")
    write_results(tmp_path, RESULTS)
    return tmp_path


def write_results(folder: Path, results: object) -> None:
    (folder / "results.json").write_text(json.dumps(results))


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects tags and attributes, and fails on one that is closed in the wrong order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(folder: Path) -> None:
    page = page_of(folder)
    tags = Tags(page)
    assert not tags.open
    assert "script" not in {tag for tag, _ in tags.seen}
    sources = [value for _, attributes in tags.seen for key, value in attributes.items() if key in ("src", "href")]
    assert all((source or "").startswith(("data:", "#")) for source in sources)
    assert "://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_each_class_stands_with_its_iou_and_its_colour(folder: Path) -> None:
    page = page_of(folder)
    assert "road 97.1" in words_of(page)
    assert "width:97.1%;background:rgb(128 64 128)" in page


def test_a_class_without_a_value_is_said_to_be_absent(folder: Path) -> None:
    assert "sky absent neither labelled nor predicted" in words_of(page_of(folder))


def test_names_and_the_configuration_are_escaped(folder: Path) -> None:
    page = page_of(folder)
    assert "<b> 34.6" in words_of(page)
    assert "<h1>a &lt;quick&gt; run &amp; more</h1>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not {"b", "quick", "script"} & {tag for tag, _ in Tags(page).seen}


def test_a_number_stays_on_a_line_with_its_per_cent_sign_and_nothing_else_changes(folder: Path) -> None:
    (folder / ".hydra" / "config.yaml").write_text("folder: ${now:%d %H} # 5 % of them\n")
    assert "<pre>folder: ${now:%d %H} # 5\u00a0% of them\n</pre>" in page_of(folder)


def test_the_headline_has_scores_time_and_number_of_images(folder: Path) -> None:
    words = words_of(page_of(folder))
    for part in (
        "mIoU 61.4 %",
        "mean over 2 classes",
        "Pixel accuracy 94.7 %",
        "Time per image 8 ms",
        "125 frames a second in bfloat16",
    ):
        assert part in words
    assert "Images judged 1,234 split val" in words


def test_the_opening_tells_the_best_step_of_the_training(folder: Path) -> None:
    words = words_of(page_of(folder))
    assert "Trained up to step 300 in 2 min 5 s." in words
    assert "The best validation (25.0 %) was at step 200." in words


def test_each_section_is_linked_to_from_the_top(folder: Path) -> None:
    tags = Tags(page_of(folder)).seen
    links = [(attributes["href"] or "")[1:] for tag, attributes in tags if tag == "a"]
    assert links == [attributes["id"] for tag, attributes in tags if tag == "section" and "id" in attributes]
    assert links == ["classes", "training", "further-scores", "protocol", "configuration"]


def test_the_protocol_is_a_table_without_the_classes(folder: Path) -> None:
    words = words_of(page_of(folder))
    assert f"image size 1024 {TIMES} 2048 flip no versions · torch 2.8.0" in words
    assert "classes · names" not in words


def test_a_run_with_nothing_but_results_still_has_a_page(tmp_path: Path) -> None:
    write_results(tmp_path, {"task": "evaluate", "name": "bare", "metrics": {}, "protocol": {}, "seconds": 3})
    page = page_of(tmp_path)
    assert not Tags(page).open
    assert "<h1>bare</h1>" in page
    assert "<h2>" not in page


def test_a_plot_keeps_its_size_and_a_broken_one_is_named(folder: Path) -> None:
    path = folder / "figures" / "zebra.png"
    plot = read_plot(path)
    assert (plot.title, plot.width, plot.height) == ("Zebra", 5, 3)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"zebra\.png is not a whole PNG"):
        read_plot(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"zebra\.png cannot be read"):
        read_plot(path)


def test_a_file_that_cannot_be_read_leaves_the_earlier_report_alone(folder: Path) -> None:
    earlier = page_of(folder)
    (folder / "results.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"results\.json is not valid JSON"):
        write_report(folder)
    assert (folder / "report.html").read_text(encoding="utf-8") == earlier
    assert not list(folder.glob(".report*"))


def test_a_report_that_cannot_be_put_in_place_leaves_no_partial_file(folder: Path) -> None:
    (folder / "report.html").mkdir()
    with pytest.raises(ICNetError, match="cannot be written"):
        write_report(folder)
    assert not list(folder.glob(".report*"))


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("{", "not valid JSON"), ("[]", "holds no object")]
)
def test_results_that_are_missing_or_broken_are_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(DataError, match=rf"results\.json.*{message}"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(8.34, "8.3 s"), (60, "1 min"), (250, "4 min 10 s"), (7200, "2 h"), (7199, "2 h"), (11520, "3 h 12 min")],
)
def test_durations_read_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_large_numbers_are_set_apart_and_small_ones_are_not() -> None:
    values = {"seed": 1234, "parameters": 6671443, "macs": 29_810_000_000, "scales": [0.5, 1.0], "ema": None}
    assert " ".join(f"{fact.label} {fact.words}" for fact in flatten(values)) == (
        "seed 1234 parameters 6,671,443 (6.67 M) MACs 29,810,000,000 (29.81 G) scales 0.5, 1 ema none"
    )


def test_a_setting_keeps_the_name_by_which_it_is_given() -> None:
    labels = [fact.label for fact in flatten({"trainer.max_steps": 4, "loss=cascade_ohem": 1, "image_size": [1, 2]})]
    assert labels == ["trainer.max_steps", "loss=cascade_ohem", "image size"]
