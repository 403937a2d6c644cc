"""Streams from a server on the loopback to the files that a run leaves, in this process and by the command."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.conftest import Run, write_checkpoint
from tests.kill_and_resume import start
from tests.mjpeg_server import STEP, Camera, basic, grey, serving
from tests.rtsp_server import serving_rtsp

from icnet.data.labels import ClassTable
from icnet.data.video import VideoReader
from icnet.errors import DataError, Interrupted
from icnet.predict import Predictor
from icnet.signals import interruptible
from icnet.tasks.predict import workload

CLASSES = ClassTable(["road", "car", "sky"], [(128, 64, 128), (0, 0, 142), (70, 130, 180)])
TEN = [grey(number) for number in range(10)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("trained") / "a.ckpt", CLASSES)


@pytest.fixture
def predict(run_icnet: Run, checkpoint: Path) -> Run:
    """predict(source, override, ...) -> folder of the run."""

    def run(source: str, *overrides: str) -> Path:
        settings = ("trainer.accelerator=cpu", "trainer.precision=32-true", f"ckpt={checkpoint}", f"source='{source}'")
        return run_icnet("task=predict", *settings, "task.timeout_s=2.0", *overrides, tiny=False)

    return run


def watch_network(monkeypatch: pytest.MonkeyPatch, react: Callable[[int], object]) -> list[int]:
    """The numbers of the images that the network saw; react: called with how many it saw before, while it has one."""
    seen: list[int] = []
    label = Predictor.__call__

    def watched(self: Predictor, frame: Any) -> Any:
        react(len(seen))
        seen.append(round(frame.mean() / STEP))
        return label(self, frame)

    monkeypatch.setattr(Predictor, "__call__", watched)
    return seen


def predictions_of(folder: Path) -> tuple[list[int], int]:
    """The numbers in the names of the label maps, and how many frames the video has that can be played."""
    (video,) = (folder / "predictions").glob("*_side_by_side.mp4")
    maps = sorted((folder / "predictions" / video.name.removesuffix("_side_by_side.mp4")).glob("*_labels.png"))
    assert {np.asarray(Image.open(path)).shape for path in maps} == {(64, 128)}
    reader, frames = VideoReader(video), 0
    while (frame := reader.read()) is not None:
        assert frame.shape == (64, 256, 3)
        frames += 1
    return [int(path.name.removesuffix("_labels.png")) for path in maps], frames


def results_of(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text())


def test_a_stream_of_which_nothing_is_left_out(predict: Run, caplog: pytest.LogCaptureFixture) -> None:
    with serving(Camera(TEN)) as camera, caplog.at_level(logging.INFO):
        folder = predict(camera.address, "task.newest=false")
    assert predictions_of(folder) == (list(range(10)), 10)
    results = results_of(folder)
    assert (results["metrics"]["images"], results["metrics"]["skipped_frames"]) == (10, 0)
    assert results["protocol"]["source"] == camera.address
    assert f"10 frames predicted, {results['metrics']['fps']:.1f} fps; results: " in caplog.text


def test_the_newest_frame_wins_while_the_network_is_busy(
    predict: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Camera([grey(number) for number in range(30)])) as camera, caplog.at_level(logging.INFO):

        def wait_for_all(seen: int) -> None:
            assert seen or camera.sent.wait(5)

        seen = watch_network(monkeypatch, wait_for_all)
        folder = predict(camera.address)
    assert len(seen) < 30
    assert seen[-1] == 29
    numbers, frames = predictions_of(folder)
    assert numbers == seen, "a label map has the number of the frame that it belongs to"
    assert frames == len(seen)
    assert results_of(folder)["metrics"]["skipped_frames"] == 30 - len(seen)
    assert f"fps, {30 - len(seen)} skipped for newer ones" in caplog.text


@pytest.mark.parametrize("newest", ["true", "false"])
@pytest.mark.parametrize(("end", "reason"), [("cut", "it ends within a frame"), ("stalled", "nothing came for 1 s")])
def test_a_stream_that_breaks_off_is_an_error_after_what_came_is_written(
    predict: Run, tmp_path: Path, newest: str, end: str, reason: str
) -> None:
    said = rf"/video broke off after \d+ frames, which are in .*_video_side_by_side\.mp4 \({reason}\)"
    with serving(Camera(TEN, end=end)) as camera, pytest.raises(DataError, match=said):
        predict(camera.address, f"task.newest={newest}", "task.timeout_s=1")
    numbers, frames = predictions_of(tmp_path / "run")
    assert numbers[-1] == 8
    assert frames == len(numbers) == results_of(tmp_path / "run")["metrics"]["images"]


def test_frames_that_change_their_size_end_a_stream(predict: Run, tmp_path: Path) -> None:
    with (
        serving(Camera([*TEN[:3], grey(3, 128, 64)])) as camera,
        pytest.raises(DataError, match=r"broke off after 3 frames.*change from 64x128 to 128x64"),
    ):
        predict(camera.address, "task.newest=false")
    assert predictions_of(tmp_path / "run") == ([0, 1, 2], 3)


def test_a_stream_without_a_frame_is_named_and_leaves_no_video(predict: Run, tmp_path: Path) -> None:
    said = r"/video has no frame that can be read \(it ends within a frame\)"
    with serving(Camera([b"no image"])) as camera, pytest.raises(DataError, match=said):
        predict(camera.address)
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_stream_that_has_no_end_and_keeps_what_was_written(
    predict: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    watch_network(monkeypatch, lambda seen: seen == 3 and os.kill(os.getpid(), number))
    threads = set(threading.enumerate())
    with (
        serving(Camera(TEN, end="endless")) as camera,
        pytest.raises(
            Interrupted, match=rf"^stopped by {number.name} after 3 frames, which are in .*\.mp4$"
        ) as stopped,
        interruptible(),
    ):
        predict(camera.address)
    assert stopped.value.status == status
    numbers, frames = predictions_of(tmp_path / "run")
    assert len(numbers) == frames == 3
    assert results_of(tmp_path / "run")["metrics"]["images"] == 3
    assert not [t for t in set(threading.enumerate()) - threads if "ThreadPool" in t.name], "a thread reads on"


def test_a_signal_is_heard_while_a_stream_stalls(predict: Run, tmp_path: Path) -> None:
    with serving(Camera(TEN, end="stalled")) as camera:

        def send() -> None:
            assert camera.sent.wait(5)
            while not list(tmp_path.rglob("*_labels.png")):
                threading.Event().wait(0.01)
            os.kill(os.getpid(), signal.SIGTERM)

        sender = threading.Thread(target=send)
        sender.start()
        with pytest.raises(Interrupted, match=r"stopped by SIGTERM after \d+ frames"), interruptible():
            predict(camera.address)
        sender.join()
    assert predictions_of(tmp_path / "run")[1] >= 1


def test_the_rate_is_said_while_a_stream_runs(
    predict: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workload, "_SAY_EVERY_S", 0.0)
    with serving(Camera(TEN)) as camera, caplog.at_level(logging.INFO):
        predict(camera.address, "task.newest=false")
    said = [record.getMessage() for record in caplog.records if record.name == workload.__name__]
    assert len(said) == 10
    assert said[-1].startswith("10 frames, ")
    assert said[-1].endswith(" fps")


def command(folder: Path, checkpoint: Path, source: str, *settings: str) -> subprocess.Popen[bytes]:
    """The real one; what it says on stdout goes to `folder`.out."""
    given = ("task=predict", f"ckpt={checkpoint}", f"source={source}", "trainer.accelerator=cpu", *settings)
    return start(folder, *given, f"hydra.run.dir={folder}", err=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [("closed", 0), ("cut", 1), ("stalled", 1)])
def test_the_command_keeps_what_came_and_shows_no_login(
    tmp_path: Path, checkpoint: Path, end: str, status: int
) -> None:
    folder = tmp_path / "run"
    with serving(Camera(TEN, end=end, login=basic("me", "se@cret"))) as camera:
        source = camera.address.replace("://", "://me:se%40cret@")
        process = command(folder, checkpoint, source, "task.newest=false", "task.timeout_s=2")
        _, said = process.communicate(timeout=60)
    assert process.returncode == status, said.decode()
    came = 10 if end == "closed" else 9
    assert predictions_of(folder) == (list(range(came)), came)
    assert results_of(folder)["protocol"]["source"] == camera.address.replace("://", "://***@")
    lines = said.decode().splitlines()
    assert len(lines) == status
    assert all(line.startswith("icnet: http://***@127.0.0.1") and "broke off after 9 frames" in line for line in lines)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix not in (".png", ".mp4")]
    assert {path.name for path in kept} >= {"run.out", "run.log", "results.json", "config.yaml", "overrides.yaml"}
    assert not [path for path in kept if "cret" in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_ends_an_endless_stream_by_a_signal_in_one_line(
    tmp_path: Path, checkpoint: Path, number: signal.Signals, status: int
) -> None:
    folder = tmp_path / "run"
    with serving(Camera(TEN, end="endless")) as camera:
        process = command(folder, checkpoint, camera.address)
        while len(list(folder.rglob("*_labels.png"))) < 5 and process.poll() is None:
            threading.Event().wait(0.02)
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=60)
    (line,) = said.decode().splitlines()
    assert process.returncode == status
    assert line.startswith(f"icnet: stopped by {number.name} after ")
    numbers, frames = predictions_of(folder)
    assert frames == len(numbers) == results_of(folder)["metrics"]["images"] >= 5
    assert not list(folder.rglob("*.part*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", ["{camera}/nothing", "{camera}/page", "{camera}/picture.jpg", "rtsp://me:cret@{rtsp}", "97"]
)
def test_the_command_names_a_source_that_is_no_stream_in_one_line(
    tmp_path: Path, checkpoint: Path, source: str
) -> None:
    with serving(Camera(TEN)) as camera, serving_rtsp(b"", "nobody", stalls=False) as rtsp:
        given = source.format(camera=camera.address.removesuffix("/video"), rtsp=rtsp)
        process = command(tmp_path / "run", checkpoint, given, "task.timeout_s=2")
        _, said = process.communicate(timeout=60)
    (line,) = said.decode().splitlines()
    assert process.returncode == 1
    assert line.startswith("icnet: ")
    assert "cret" not in line
    assert not (tmp_path / "run" / "predictions").exists()
