"""task.what=speed and frontier, on tiny scenes and tiny networks of random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tests.conftest import PLAIN, compose_run, run_plain, shallow_trunk, write_checkpoint
from tests.report.shown import words_of

from icnet.cli import run_task
from icnet.data.labels import ClassTable
from icnet.deploy import speed as clock
from icnet.deploy.export import Order, write_file
from icnet.deploy.memory import Load, measure_memory
from icnet.deploy.speed import measure_product_rate, time_images
from icnet.engines.load import load_engine
from icnet.errors import ConfigError
from icnet.report.results import name_processor
from icnet.report.values import TIMES
from icnet.tasks.benchmark import given as at_hand
from icnet.tasks.benchmark.frontier import find_best, mark_frontier
from icnet.tasks.benchmark.given import choose_formats, choose_sizes, read_given
from icnet.tasks.benchmark.speed import summarize_times
from icnet.weights.checkpoint import read_source

BENCHMARK = ("task=benchmark", "task.repeats=2")
QUICK = ("task.what=speed", "task.compiled=false", "task.memory=false")
NUMBERS = {"median_ms", "p95_ms", "fps", "memory_bytes", "floor_ms"}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> dict[str, Path]:
    """Two exits of it as files of torch.export, which need no further package: 64x128, and 48x96."""
    orders = {"sub124": (64, 128), "sub4": (48, 96)}
    return {
        exit: write_file(
            read_source(checkpoint), Order("torch", "fp32", exit, "labels", size), tmp_path_factory.mktemp(exit)
        )
        for exit, size in orders.items()
    }


@pytest.fixture
def no_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """No files are made on the fly: that takes seconds each."""
    monkeypatch.setattr(at_hand, "choose_formats", list)


def measure(folder: Path, root: Path, *overrides: str) -> dict[str, Any]:
    """Run task=benchmark in this process; what results.json holds."""
    return run_plain(folder, root, *BENCHMARK, *overrides)


@pytest.mark.slow
@pytest.mark.usefixtures("no_formats")
def test_engines_exits_sizes_and_batches_are_measured_each(
    tmp_path: Path, streets: Path, checkpoint: Path, programs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("task.sizes=[[64,128],[48,96]]", "task.batches=[1,2]", "task.exits=[sub124,sub4]")
    ckpt = f"ckpt=[{checkpoint},{programs['sub124']}]"
    results = measure(tmp_path, streets, *QUICK, ckpt, *settings)
    metrics = results["metrics"]
    rows = metrics["rows"]
    assert {(*row["size"], row["batch"]) for row in rows} == {(64, 128, 1), (64, 128, 2), (48, 96, 1), (48, 96, 2)}
    assert {row["exit"] for row in rows if row["engine"] == "eager"} == {"sub4", "sub124"}
    assert {tuple(row["size"]) for row in rows if row["engine"] == "torch_export"} == {(64, 128)}
    for name in ("eager", "channels_last", "torch_export"):
        assert metrics[name]["fp32"].keys() == NUMBERS
        assert metrics[name]["fp32"]["fps"] * metrics[name]["fp32"]["median_ms"] == pytest.approx(1000)
    for row in rows:
        assert row["fps"] * row["median_ms"] == pytest.approx(1000 * row["batch"])
        assert row["floor_ms"] == pytest.approx(1000 * row["batch"] * row["macs"] / metrics["floor"][row["precision"]])
    engine = load_engine(checkpoint)
    assert metrics["parameters"] == engine.card.parameters
    assert metrics["macs"] == engine.count_macs((64, 128))
    assert metrics["exits"].keys() == {"sub4", "sub124"}
    assert metrics["exits"]["sub4"]["macs"] == engine.at("sub4").count_macs((64, 128)) < metrics["macs"]
    assert metrics["exits"]["sub124"]["median_ms"] == metrics["eager"]["fp32"]["median_ms"]
    assert list(metrics["stages"]) == [
        "normalise",
        "half branch",
        "quarter branch",
        "full-image branch and fusion",
        "resize and argmax",
    ]
    assert results["protocol"]["frame"].startswith("streets, ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "results.json"]
    page = words_of((tmp_path / "report.html").read_text())
    assert f"48 {TIMES} 96, batch 2" in page
    assert "torch.export, fp32" in page
    assert "48x96, batch 2" in capsys.readouterr().out


@pytest.mark.usefixtures("no_formats")
def test_without_data_a_generated_street_of_the_checkpoints_size_is_read(
    tmp_path: Path, streets: Path, programs: dict[str, Path]
) -> None:
    run_task(
        compose_run(
            ["task=benchmark", "trainer.accelerator=cpu", "task.repeats=1", *QUICK, f"ckpt={programs['sub4']}"],
            tmp_path,
        )
    )
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["protocol"]["frame"] == "a generated street"
    (row,) = results["metrics"]["rows"]
    assert (row["size"], row["exit"], results["metrics"]["stages"]) == ([48, 96], "sub4", {})
    assert results["metrics"]["exits"].keys() == {"sub4"}


@pytest.mark.slow
def test_the_best_file_within_the_budget_is_named_on_the_page(
    tmp_path: Path, streets: Path, programs: dict[str, Path]
) -> None:
    ckpt = f"ckpt=[{','.join(map(str, programs.values()))}]"
    results = measure(tmp_path / "rich", streets, "task.what=frontier", ckpt, "task.budget_ms=100000")
    rows, best = results["metrics"]["rows"], results["metrics"]["best"]
    assert [row["median_ms"] for row in rows] == sorted(row["median_ms"] for row in rows)
    assert best["miou"] == max(row["miou"] for row in rows)
    assert {(row["exit"], *row["size"]) for row in rows} == {("sub124", 64, 128), ("sub4", 48, 96)}
    assert results["protocol"]["images"] == 3
    page = (tmp_path / "rich" / "report.html").read_text()
    assert "best within the budget" in page
    assert f"exported already: {best['checkpoint']}" in words_of(page)
    assert "torch_export" in results["metrics"]


@pytest.mark.slow
def test_a_budget_that_no_file_keeps_is_said(
    tmp_path: Path, streets: Path, programs: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = ("task.what=frontier", f"ckpt={programs['sub4']}", "task.budget_ms=0.0001", "task.max_images=1")
    results = measure(tmp_path, streets, *settings)
    assert results["metrics"]["best"] is None
    assert results["protocol"]["images"] == 1
    assert "No file reads a frame in 0.0001 ms; the fastest of 1 takes" in caplog.text
    assert "No file reads a frame in 0.0001 ms" in words_of((tmp_path / "report.html").read_text())


@pytest.mark.slow
def test_a_checkpoint_becomes_files_whose_command_exports_them(tmp_path: Path, streets: Path, checkpoint: Path) -> None:
    settings = ("task.what=frontier", f"ckpt={checkpoint}", "task.budget_ms=100000", "task.exits=[sub24]")
    results = measure(tmp_path / "frontier", streets, *settings, "task.sizes=[[64,128]]")
    best = results["metrics"]["best"]
    words = best["command"].split()
    assert words[:4] == ["python", "run.py", "task=export", f"ckpt={checkpoint}"]
    assert "task.exit=sub24" in words
    assert best["command"] in words_of((tmp_path / "frontier" / "report.html").read_text())
    own = [word.strip("'") for word in words[2:]]
    run_task(compose_run([*own, "trainer.accelerator=cpu", "data.num_workers=0"], tmp_path / "export"))
    exported = json.loads((tmp_path / "export" / "results.json").read_text())
    assert exported["metrics"]["miou"] == pytest.approx(best["miou"])


@pytest.mark.slow
def test_what_is_compiled_or_made_on_the_fly_is_measured_with_its_memory(
    tmp_path: Path, streets: Path, street_classes: ClassTable
) -> None:
    checkpoint = write_checkpoint(tmp_path / "shallow.ckpt", street_classes, trunk=shallow_trunk())
    settings = ("task.what=speed", f"ckpt={checkpoint}", "task.exits=[sub124]", "task.sizes=[[64,128]]")
    metrics = measure(tmp_path, streets, *settings)["metrics"]
    made = {{"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch_export"}[name] for name in choose_formats()}
    for name in {"eager", "channels_last", *made}:
        assert 1e6 < metrics[name]["fp32"]["memory_bytes"] < 4e9
    assert ("compiled" in metrics) == (at_hand.shutil.which("g++") is not None)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "no checkpoint is given"),
        (("ckpt=[]",), "no checkpoint is given"),
        (("ckpt={0}", "task.sizes=[[16,128]]"), r"task\.sizes is \[\[16, 128\]\]: give \[\[height,width\]"),
        (("ckpt={0}", "task.sizes=[64,128]"), r"task\.sizes is \[64, 128\]"),
        (("ckpt={0}", "task.sizes=[]"), r"task\.sizes is \[\]"),
        (("ckpt={0}", "task.exits=[sub1]"), r"task\.exits is \['sub1'\]: give a list of sub4, sub24, sub124"),
        (("ckpt={0}", "task.batches=[0]"), r"task\.batches is \[0\]"),
        (("ckpt={0}", "task.repeats=0"), r"task\.repeats is 0"),
        (("ckpt=[{0},{1}]", "task.sizes=[[32,32]]"), r"model\.pt2 takes frames of \[48, 96\] alone: add this"),
        (("ckpt={1}", "task.sizes=[[48,96],[32,32]]"), r"task\.sizes has \[32, 32\], which no file of ckpt= takes"),
        (("ckpt={0}", "task.what=frontier", "task.budget_ms=0"), r"task\.budget_ms is 0"),
        (("ckpt={0}", "task.what=fronteer"), "'fronteer': choose one of speed, frontier, training, step, data"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    tmp_path: Path,
    streets: Path,
    checkpoint: Path,
    programs: dict[str, Path],
    settings: tuple[str, ...],
    said: str,
) -> None:
    given = [setting.format(checkpoint, programs["sub4"]) for setting in settings]
    with pytest.raises(ConfigError, match=said):
        measure(tmp_path, streets, *QUICK, *given)
    assert list(tmp_path.iterdir()) == []


def test_sizes_are_those_that_the_files_were_made_for(checkpoint: Path, programs: dict[str, Path]) -> None:
    files = read_given(OmegaConf.create([str(programs["sub4"]), str(programs["sub124"]), str(checkpoint)]))
    assert choose_sizes(None, files) == [(48, 96), (64, 128)]


def candidates(*pairs: tuple[float, float]) -> list[dict[str, Any]]:
    """(milliseconds, mIoU) of each, the fastest first."""
    return [{"median_ms": ms, "miou": miou} for ms, miou in pairs]


def test_the_frontier_is_what_no_faster_one_equals() -> None:
    rows = candidates((5, 0.3), (5, 0.2), (10, 0.5), (20, 0.5), (30, 0.4), (40, 0.6))
    mark_frontier(rows)
    assert [row["on_frontier"] for row in rows] == [True, False, True, False, False, True]


@pytest.mark.parametrize(("budget", "best"), [(4, None), (5, 5), (39, 10), (40, 40)])
def test_the_best_within_the_budget_is_the_fastest_of_equal_ones(budget: float, best: float | None) -> None:
    found = find_best(candidates((5, 0.3), (10, 0.5), (20, 0.5), (40, 0.6)), budget)
    assert (found and found["median_ms"]) == best


def test_of_twenty_times_the_second_largest_is_that_of_95_in_100() -> None:
    found = summarize_times([*range(1, 20), 1000], batch=2)
    assert found == {"median_ms": 10.5, "p95_ms": 19, "fps": pytest.approx(2000 / 10.5)}


def test_the_engines_take_turns_and_their_first_passes_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [0.0], list[str]()
    monkeypatch.setattr(clock, "_now", lambda device: now[0])

    def engine(name: str, seconds: float) -> Any:
        def label_maps(frames: torch.Tensor) -> None:
            now[0] += seconds + (100 if name not in calls else 0)
            calls.append(name)

        return SimpleNamespace(device=torch.device("cpu"), label_maps=label_maps)

    found = time_images({name: engine(name, s) for name, s in (("a", 1), ("b", 2))}, torch.zeros(1, 4, 4, 3), 3)
    assert found == {"a": [1000] * 3, "b": [2000] * 3}
    assert calls == ["a", "b"] * 4


def test_the_floor_counts_the_multiplications_of_a_matrix_product(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 2000, 2))
    monkeypatch.setattr(clock, "_now", lambda device: float(next(moments)))
    monkeypatch.setattr(clock, "_SIDE", 8)
    assert measure_product_rate(torch.device("cpu"), torch.float32) == 8**3 / 2


def test_memory_is_measured_in_a_process_that_can_fail(tmp_path: Path) -> None:
    load = Load(str(tmp_path / "missing.ckpt"), "sub124", None, False, True, "cpu", (64, 64), 1, 1)
    assert measure_memory(load) is None


def test_the_processor_has_a_name() -> None:
    assert name_processor()


@pytest.mark.slow
def test_the_command_line_takes_a_list_of_checkpoints(tmp_path: Path, streets: Path, programs: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "icnet", *PLAIN, *BENCHMARK, f"data.root={streets}", *QUICK]
    ckpt = f"ckpt=[{','.join(map(str, programs.values()))}]"
    subprocess.run([*command, ckpt, f"hydra.run.dir={tmp_path / 'run'}"], check=True, timeout=200)
    assert len(json.loads((tmp_path / "run" / "results.json").read_text())["metrics"]["rows"]) == 2
