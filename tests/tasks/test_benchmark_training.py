"""task.what=training: the training step on one device and on two."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.conftest import TINY, Run
from tests.report.shown import words_of

from icnet.errors import ConfigError, ICNetError
from icnet.report.benchmark import write_benchmark
from icnet.report.results import write_results
from icnet.tasks.benchmark.training import list_counts, summarize
from icnet.training.speed import StepClock

OF_A_RUN = ("trainer.max_steps", "trainer.log_every_n_steps")  # of which a benchmark makes no use
SMALL = (*(s for s in TINY if not s.startswith(OF_A_RUN)), "task=benchmark", "task.steps=2")


def test_a_step_is_trained_and_timed(run_icnet: Run) -> None:
    folder = run_icnet(*SMALL, "task.what=step", tiny=False)
    results = json.loads((folder / "results.json").read_text())
    metrics = results["metrics"]
    assert metrics["images_per_s"] * metrics["step_ms"] == pytest.approx(2 * 1000)  # a batch of 2
    assert 0 < metrics["waiting"] < 1
    assert metrics["memory_bytes"] is None or metrics["memory_bytes"] > 1e7
    assert results["protocol"]["crop_size"] == [64, 64]
    assert sorted(p.name for p in folder.iterdir()) == ["results.json"]


@pytest.mark.slow
def test_one_and_two_devices_are_commands_of_their_own(run_icnet: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_icnet(*SMALL, "task.what=training", "trainer.devices=2", tiny=False)
    rows = json.loads((folder / "results.json").read_text())["metrics"]["rows"]
    assert [row["devices"] for row in rows] == [1, 2]
    assert [row["images_per_s"] * row["step_ms"] for row in rows] == pytest.approx([2000, 4000])
    assert rows[0]["scaling"] == 1
    assert rows[1]["scaling"] == pytest.approx(rows[1]["images_per_s"] / (2 * rows[0]["images_per_s"]))
    assert (folder / "2" / "run.log").is_file()
    assert "Training step, 2 crops of 64x64 a device" in capsys.readouterr().out


@pytest.mark.slow
def test_why_a_command_failed_is_said_in_one_line(run_icnet: Run) -> None:
    with pytest.raises(ICNetError, match=r"on 1 devices: data\.batch_size is 0: at least 1; see .*/1/run\.log"):
        run_icnet(*SMALL, "task.what=training", "data.batch_size=0", tiny=False)


@pytest.mark.parametrize(("devices", "counts"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8])])
def test_the_numbers_of_devices_double_up_to_the_one_that_was_given(devices: int, counts: list[int]) -> None:
    assert list_counts(devices) == counts


@pytest.mark.parametrize("devices", [0, -1, "auto", [0, 1], True])
def test_devices_that_cannot_be_counted_are_refused(devices: object) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.devices is .*: give their number, at least 1"):
        list_counts(devices)


def test_no_steps_are_refused(run_icnet: Run) -> None:
    with pytest.raises(ConfigError, match=r"task\.steps is 0"):
        run_icnet(*SMALL, "task.what=step", "task.steps=0", tiny=False)


def test_a_step_lasts_from_the_end_of_the_one_before_and_waits_until_its_batch_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter([0.0, *(moment for i in range(7) for moment in (4 * i + 1.0, 4 * i + 4.0))])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    clock, here = StepClock(), SimpleNamespace(device=torch.device("cpu"))
    there: Any = None
    clock.on_train_start(there, there)
    for _ in range(7):
        clock.on_train_batch_start(there, there, None, 0)
        clock.on_train_batch_end(there, here, None, None, 0)  # type: ignore[arg-type]
    assert (clock.steps, clock.waits) == ([4.0] * 7, [1.0] * 7)
    assert summarize(clock, images=8) == {"images_per_s": 2, "step_ms": 4000, "waiting": 0.25}


def test_the_page_says_how_eight_devices_scale(tmp_path: Path) -> None:
    numbers = {"step_ms": 100.0, "waiting": 0.03, "memory_bytes": 5_000_000_000}
    rows = [
        numbers | {"devices": n, "images_per_s": 40.0 * n * share, "scaling": share}
        for n, share in ((1, 1.0), (8, 0.9))
    ]
    protocol = {
        "what": "training",
        "device": "cuda (X)",
        "crop_size": [960, 960],
        "batch_size": 4,
        "precision": "bf16-mixed",
    }
    write_results(tmp_path, "benchmark", "cityscapes", {"rows": rows}, protocol, 1.0)
    words = words_of(write_benchmark(tmp_path).read_text())
    assert "288 images a second on 8 devices of cuda (X): 90.0 % of 8 times what one gives" in words
