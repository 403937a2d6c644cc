from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from tests.conftest import Run

from icnet.data.images import write_image
from icnet.data.plain import PlainPipeline
from icnet.data.samples import Sample
from icnet.errors import ConfigError
from icnet.tasks.benchmark.data import Way, at_full_size, measure, summarize

WAYS = {"plain", "files", "compressed", "packed", "packed_jitter"}
SMALL = ("task=benchmark", "task.frames=2", "task.samples=3")


def test_every_way_is_measured_on_the_data_that_were_chosen(run_icnet: Run, capsys: pytest.CaptureFixture[str]) -> None:
    cores = os.sched_getaffinity(0)
    folder = run_icnet(*SMALL, "task.what=data")
    results = json.loads((folder / "results.json").read_text())
    ways = results["metrics"]["data"]
    assert ways.keys() == WAYS
    for way in ways.values():
        assert way["sample_ms"] * way["samples_per_s"] == pytest.approx(1000)
        assert way["sample_ms"] * way["speedup"] == pytest.approx(ways["plain"]["sample_ms"])
    assert ways["packed"]["frame_bytes"] == 4 * 64 * 128
    assert ways["files"]["frame_bytes"] == ways["plain"]["frame_bytes"]
    assert results["protocol"]["image_size"] == [64, 128]
    assert results["protocol"]["frames"] == 2
    assert results["protocol"]["crop_size"] == [64, 64]
    assert "packed, jitter" in capsys.readouterr().out
    assert sorted(p.name for p in folder.iterdir()) == ["results.json"]
    assert os.sched_getaffinity(0) == cores


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("task.what=nothing", r"task\.what is 'nothing': choose one of speed, frontier"),
        ("task.samples=0", r"task\.samples is 0"),
        ("task.frames=0", r"task\.frames is 0"),
        ("task.scale=[2,1]", r"scale is \[2, 1\]"),
    ],
)
def test_what_cannot_be_measured_is_refused(run_icnet: Run, setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_icnet(*SMALL, setting)


def test_generated_data_are_drawn_at_full_size_in_a_folder_of_their_own_and_other_data_stay_as_they_are() -> None:
    task = OmegaConf.create({"frames": 5, "generated": {"size": [1024, 2048], "crop_size": [960, 960]}})
    generated = OmegaConf.create(
        {"root": "data/streets", "crop_size": [64, 64], "prepare": {"train": 1, "val": 1, "size": [64, 64], "seed": 3}}
    )
    assert at_full_size(generated, task) == {
        "root": "data/streets_1024x2048",
        "crop_size": [960, 960],
        "prepare": {"train": 5, "val": 0, "size": [1024, 2048], "seed": 3},
    }
    own = OmegaConf.create({"root": "data/own", "crop_size": [64, 64], "prepare": None})
    assert at_full_size(own, task) == own


class Clock:
    """The clock of a process, which stands still unless somebody works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "process_time", lambda: self.now)

    def work(self, seconds: float) -> None:
        self.now += seconds


def test_the_time_of_first_samples_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def way(seconds: float, first: float) -> Way:
        """first: what the first sample costs on top."""
        return Way(lambda sample, draw: clock.work(seconds + (first if draw == 0 else 0)), 800)

    ways = {"plain": way(4, 100), "files": way(2, 100)}
    found = summarize(ways, measure(ways, 4, 10), 4, 10)
    assert found["plain"]["sample_ms"] == 4000
    assert found["files"] == {"sample_ms": 2000, "samples_per_s": 0.5, "speedup": 2, "frame_bytes": 200}


def test_frames_are_read_in_turn_and_every_way_makes_the_same_draws() -> None:
    made: dict[str, list[tuple[int, int]]] = {"one": [], "two": []}

    def way(name: str) -> Way:
        return Way(lambda sample, draw: made[name].append((sample, draw)), 0)

    measure({name: way(name) for name in made}, frames=2, count=4)
    assert made["one"] == made["two"]
    assert [sample for sample, _ in made["one"][-4:]] == [0, 1, 0, 1]
    assert len({draw for _, draw in made["one"]}) == len(made["one"])


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """A frame of 100x120 whose red channel is the row, whose green one is the column; the label is the row, too."""
    rows, columns = np.mgrid[:100, :120].astype(np.uint8)
    write_image(tmp_path / "a.png", np.dstack([rows, columns, np.full_like(rows, 9)]))
    write_image(tmp_path / "a_label.png", rows)
    return Sample(tmp_path / "a.png", tmp_path / "a_label.png")


def test_the_yardstick_cuts_a_normalised_crop_with_its_label(sample: Sample) -> None:
    for seed in range(20):
        image, label = PlainPipeline((64, 48), (0.8, 2.0))(sample, seed)
        assert image.shape == (3, 64, 48)
        assert label.shape == (64, 48)
        assert image.dtype == np.float32
        assert label.dtype == np.int64
        red = 255 * (0.229 * image[0] + 0.485)
        inside = label != 255
        assert inside.all()
        assert np.abs(red - label).max() < 1.01


def test_the_yardstick_pads_what_is_too_small(sample: Sample) -> None:
    _, label = PlainPipeline((64, 96), (0.5, 0.5))(sample, 0)
    assert (label != 255).sum() == 50 * 60


def test_the_yardstick_mirrors_half_of_the_samples(sample: Sample) -> None:
    pipeline = PlainPipeline((100, 120), (1, 1))
    images = [pipeline(sample, seed)[0] for seed in range(100)]
    mirrored = sum(bool(image[1, 0, 0] > image[1, 0, -1]) for image in images)
    assert 30 < mirrored < 70
    assert {image.tobytes() for image in images} == {images[0].tobytes(), images[0][:, :, ::-1].tobytes()}
