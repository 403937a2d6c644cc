"""Prediction from a composed configuration to the files it leaves, with a tiny network of random weights."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import Run

from icnet.data.images import read_image, write_image
from icnet.data.labels import ClassTable
from icnet.data.video import VideoReader, VideoWriter
from icnet.errors import ConfigError, DataError, ICNetError, Interrupted, WeightsError
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunks.resnet import resnet18
from icnet.predict import Predictor
from icnet.signals import interruptible
from icnet.visualize.colors import colorize, overlay
from icnet.weights.download import sha256

NAMES = ["road", "car", "sky"]
CLASSES = ClassTable(NAMES, [(128, 64, 128), (0, 0, 142), (70, 130, 180)], [7, 26, 23])


def write_checkpoint(path: Path, classes: ClassTable, frame: Path) -> Path:
    """A network of random weights whose stages see several classes in `frame`: no class is preferred on the whole."""
    torch.manual_seed(0)
    net = ICNet(resnet18(width=0.125), len(classes), 16).eval()
    with torch.no_grad():
        stages = net.cascade(Normalize()(torch.from_numpy(read_image(frame))[None]))
        for head, logits in zip((net.guide4, net.guide24, net.classifier), stages, strict=True):
            assert head.bias is not None
            head.bias -= logits.mean(dim=(0, 2, 3))
    about = {"architecture": net.architecture, "classes": classes.to_dict(), "preprocessing": Normalize().to_dict()}
    state = {f"net.{key}": value for key, value in net.state_dict().items()}
    torch.save({"icnet": about, "state_dict": state}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, streets: Path) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("trained") / "best.ckpt", CLASSES, next(streets.rglob("*8bit.png")))


@pytest.fixture
def predict(run_icnet: Run, checkpoint: Path) -> Run:
    """predict(source, override, ...) -> folder of the run."""

    def run(source: object, *overrides: str, folder: str = "run") -> Path:
        settings = ("trainer.accelerator=cpu", "trainer.precision=32-true", f"ckpt={checkpoint}")
        return run_icnet("task=predict", *settings, f"source='{source}'", *overrides, tiny=False, folder=folder)

    return run


@pytest.fixture
def frames(tmp_path: Path, streets: Path) -> Path:
    """Three street scenes of 64x128 in folders of their cities."""
    return Path(shutil.copytree(streets / "leftImg8bit" / "val", tmp_path / "frames"))


def files_of(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def results_of(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text())


def raw(path: Path) -> Any:
    return np.asarray(Image.open(path))


def test_each_image_gets_its_three_files_where_it_lies_in_the_source(
    predict: Run, frames: Path, checkpoint: Path
) -> None:
    folder = predict(frames)
    images = sorted(frames.rglob("*.png"))
    names = [image.relative_to(frames).with_suffix("") for image in images]
    assert files_of(folder / "predictions") == {f"{n}_{o}.png" for n in names for o in ("labels", "color", "overlay")}
    predictor = Predictor.from_checkpoint(checkpoint)
    seen = set()
    for image, name in zip(images, names, strict=True):
        written = folder / "predictions" / name
        expected = predictor(read_image(image))
        seen |= set(np.unique(expected).tolist())
        assert np.array_equal(raw(Path(f"{written}_labels.png")), expected)
        assert np.array_equal(raw(Path(f"{written}_color.png")), colorize(expected, CLASSES))
        assert np.array_equal(raw(Path(f"{written}_overlay.png")), overlay(read_image(image), expected, CLASSES))
    assert len(seen) > 1

    results = results_of(folder)
    assert (results["task"], results["metrics"]["images"], results["metrics"]["failed"]) == ("predict", 3, 0)
    metrics, protocol = results["metrics"], results["protocol"]
    assert metrics["fps"] * metrics["seconds_per_image"] == pytest.approx(1)
    assert metrics["time_over_network"] > 1
    assert protocol["checkpoint_sha256"] == sha256(checkpoint)
    assert (protocol["image_sizes"], protocol["exit"], protocol["scales"]) == ([[64, 128]], "sub124", [1.0])
    assert protocol["written"] == ["labels", "color", "overlay"]


def test_only_the_outputs_that_are_asked_for_are_written(predict: Run, frames: Path) -> None:
    folder = predict(frames / "*" / "*.png", "task.outputs=[labels]")
    assert {name.rpartition("_")[2] for name in files_of(folder / "predictions")} == {"labels.png"}


def test_exit_and_scheme_reach_the_network(predict: Run, frames: Path, checkpoint: Path) -> None:
    def labels(*overrides: str, folder: str) -> Any:
        run = predict(next(frames.rglob("*.png")), "task.outputs=[labels]", *overrides, folder=folder)
        return raw(next((run / "predictions").iterdir()))

    plain = labels(folder="a")
    assert plain.shape == (64, 128)
    for number, other in enumerate(("task.exit=sub24", "task.size=[96,160]", "task.flip=true")):
        changed = labels(other, folder=str(number))
        assert changed.shape == plain.shape
        assert not np.array_equal(changed, plain)


def test_images_of_any_size_and_kind_in_one_folder(predict: Run, tmp_path: Path) -> None:
    source = tmp_path / "mixed"
    source.mkdir()
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (40, 70), np.uint8)
    Image.fromarray(grey).save(source / "grey.png")
    Image.fromarray(np.dstack([grey] * 4)).save(source / "alpha.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(source / "deep.png")
    Image.fromarray(grey).convert("P").save(source / "palette.png")
    upright = Image.Exif()
    upright[0x112] = 6  # a quarter turn
    Image.fromarray(np.dstack([grey] * 3)).save(source / "turned.jpg", exif=upright)
    write_image(source / "large.bmp", rng.integers(0, 256, (33, 131, 3), np.uint8))
    folder = predict(source, "task.outputs=[labels]")
    shapes = {path.name.removesuffix("_labels.png"): raw(path).shape for path in (folder / "predictions").iterdir()}
    kinds = dict.fromkeys(("grey", "alpha", "deep", "palette"), (40, 70))
    assert shapes == kinds | {"turned": (70, 40), "large": (33, 131)}
    labels = [raw(folder / "predictions" / f"{kind}_labels.png") for kind in kinds]
    assert all(np.array_equal(label, labels[0]) for label in labels)


def test_what_fails_is_listed_with_its_reason_and_the_rest_is_written(
    predict: Run, frames: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (frames / "empty.png").touch()
    (frames / "text.png").write_text("these are no pixels")
    whole = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    (frames / "cut.jpg").write_bytes(whole[:-40])
    write_image(frames / "small.png", np.zeros((31, 200, 3), np.uint8))
    files = [str(path.relative_to(frames)) for path in frames.rglob("*") if path.is_file()]
    (frames / "all.txt").write_text("\n".join([*files, "gone.png"]))
    with pytest.raises(DataError, match=r"5 of 8 images failed, listed above.*what was predicted is in .*predictions"):
        predict(frames / "all.txt", "task.outputs=[labels]")
    folder = frames.parent / "run"
    assert len(files_of(folder / "predictions")) == 3
    results = results_of(folder)
    assert (results["metrics"]["images"], results["metrics"]["failed"]) == (3, 5)
    for name, reason in {
        "empty.png": "is empty", "text.png": "is not a readable image", "cut.jpg": "broken or cut off",
        "small.png": "31x200", "gone.png": "No such file",
    }.items():  # fmt: skip
        (line,) = [failure for failure in results["protocol"]["failed"] if name in failure]
        assert reason in line
        assert line in caplog.text


def test_what_is_no_image_is_counted_and_named(predict: Run, frames: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = ["a.svg", "b.svg", "c.svg", "clip.mp4", "d.svg", "e.svg", "notes.txt"]
    for name in names:
        (frames / name).touch()
    with caplog.at_level(logging.INFO, logger="icnet"):
        folder = predict(frames)
    assert results_of(folder)["protocol"]["skipped"] == names
    said = "7 files (a.svg, b.svg, c.svg, clip.mp4, d.svg, ...); a video is read by its own path"
    assert caplog.text.count(said) == 1
    assert results_of(predict(frames / "*" / "*.png", folder="glob"))["protocol"]["skipped"] == []


def test_a_source_in_which_everything_fails_still_ends_with_the_list(predict: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="1 of 1 images failed"):
        predict(tmp_path / "a.png")
    assert results_of(tmp_path / "run")["metrics"] == {"images": 0, "failed": 1}


def test_an_image_too_large_for_the_memory_fails_by_itself(
    predict: Run, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(frames / "huge.png", np.zeros((64, 256, 3), np.uint8))
    label = Predictor.__call__

    def label_small(self: Predictor, frame: Any) -> Any:
        if frame.shape[1] == 256:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return label(self, frame)

    monkeypatch.setattr(Predictor, "__call__", label_small)
    with pytest.raises(DataError, match="1 of 4 images failed"):
        predict(frames)
    (failure,) = results_of(frames.parent / "run")["protocol"]["failed"]
    assert "huge.png is 64x256: out of memory; give task.size or task.window" in failure


def test_a_full_disk_ends_the_run_in_one_line_and_leaves_whole_files(
    predict: Run, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = Path.write_bytes, []

    def write_first(self: Path, data: bytes) -> int:
        calls.append(self)
        if len(calls) > 1:
            whole(self, data[:10])
            raise OSError(28, "No space left on device")
        return whole(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_first)
    with pytest.raises(ICNetError, match=r"cannot be written \(No space left on device\): free the disk"):
        predict(frames, "task.outputs=[labels]")
    (written,) = (frames.parent / "run" / "predictions").rglob("*.*")
    assert raw(written).shape == (64, 128)
    assert not (frames.parent / "run" / "results.json").exists()


def send_at_third_frame(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """A signal to this process when the network is about to read the third frame."""
    label, calls = Predictor.__call__, []

    def label_two(self: Predictor, frame: Any) -> Any:
        calls.append(frame)
        if len(calls) == 3:
            os.kill(os.getpid(), number)
        return label(self, frame)

    monkeypatch.setattr(Predictor, "__call__", label_two)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_its_status_and_leaves_whole_files(
    predict: Run, frames: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    send_at_third_frame(monkeypatch, number)
    said = f"stopped by {number.name} after 2 of 3 images, which are in"
    with pytest.raises(Interrupted, match=said) as stopped, interruptible():
        predict(frames, "task.outputs=[labels]")
    assert stopped.value.status == status
    assert len(files_of(frames.parent / "run" / "predictions")) == 2
    assert not (frames.parent / "run" / "results.json").exists()


@pytest.fixture
def cities(tmp_path: Path, streets: Path) -> Path:
    """The tiny scenes as the test split of Cityscapes."""
    return Path(shutil.copytree(streets / "leftImg8bit", tmp_path / "leftImg8bit"))


def test_a_submission_has_one_map_of_label_ids_an_image_under_its_own_name(
    predict: Run, cities: Path, checkpoint: Path
) -> None:
    folder = predict(cities, "task.format=cityscapes") / "predictions"
    images = sorted(cities.rglob("*.png"))
    assert files_of(folder) == {f"{image.parent.name}/{image.name}" for image in images}
    for image in images:
        ids = raw(folder / image.parent.name / image.name)
        train_ids = Predictor.from_checkpoint(checkpoint)(read_image(image))
        assert ids.dtype == np.uint8
        assert np.array_equal(ids, np.array([7, 26, 23])[train_ids])


def test_a_submission_puts_images_into_cities_by_their_names(predict: Run, cities: Path) -> None:
    flat = cities.parent / "flat"
    flat.mkdir()
    for image in cities.rglob("*.png"):
        shutil.copy(image, flat)
    folder = predict(flat, "task.format=cityscapes") / "predictions"
    assert files_of(folder) == {f"{image.parent.name}/{image.name}" for image in cities.rglob("*.png")}


def test_a_submission_that_lacks_an_image_says_so(predict: Run, cities: Path) -> None:
    broken = next(cities.rglob("*.png"))
    broken.write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 9 images failed.*the submission to cityscapes is incomplete"):
        predict(cities, "task.format=cityscapes")
    assert broken.name not in {Path(name).name for name in files_of(cities.parent / "run" / "predictions")}


def test_a_submission_is_looked_at_before_it_is_called_done(
    predict: Run, cities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(path: Path, pixels: Any) -> None:
        write_image(path, pixels[:-1])

    monkeypatch.setattr("icnet.tasks.predict.writers.write_image", spoil)
    with pytest.raises(DataError, match=r"_leftImg8bit\.png is not a map of label ids of 64x128"):
        predict(cities, "task.format=cityscapes")


def test_names_that_the_benchmark_does_not_know_are_refused_before_anything_is_written(
    predict: Run, cities: Path
) -> None:
    write_image(cities / "holiday.png", np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(DataError, match=r"holiday\.png has no name of Cityscapes"):
        predict(cities, "task.format=cityscapes")
    (cities / "holiday.png").unlink()
    image = next(cities.rglob("*.png"))
    shutil.copy(image, cities / image.name)
    with pytest.raises(DataError, match=f"{image.name} more than once"):
        predict(cities, "task.format=cityscapes", folder="again")
    assert not (cities.parent / "run" / "predictions").exists()


def test_a_network_without_label_ids_makes_no_submission(run_icnet: Run, cities: Path, tmp_path: Path) -> None:
    plain = write_checkpoint(tmp_path / "plain.ckpt", ClassTable(NAMES, CLASSES.colors), next(cities.rglob("*.png")))
    with pytest.raises(ConfigError, match="trained without: its classes have train ids alone"):
        run_icnet("task=predict", f"ckpt={plain}", f"source={cities}", "task.format=cityscapes", tiny=False)


@pytest.fixture
def video(tmp_path: Path, streets: Path) -> Path:
    """Five frames of street scenes at 12.5 a second."""
    writer = VideoWriter(tmp_path / "drive.mp4", 12.5)
    images = sorted((streets / "leftImg8bit" / "train").rglob("*.png"))[:5]
    for image in images:
        writer.write(read_image(image))
    writer.close()
    return tmp_path / "drive.mp4"


def frames_of(path: Path) -> list[Any]:
    reader = VideoReader(path)
    found = []
    while (frame := reader.read()) is not None:
        found.append(frame)
    return found


def test_a_video_comes_back_with_its_overlay_beside_it_at_its_frame_rate(
    predict: Run, video: Path, checkpoint: Path
) -> None:
    folder = predict(video)
    maps = [f"drive/{number:06d}_labels.png" for number in range(5)]
    assert files_of(folder / "predictions") == {"drive_side_by_side.mp4", *maps}
    written = folder / "predictions" / "drive_side_by_side.mp4"
    assert VideoReader(written).fps == 12.5
    predictor = Predictor.from_checkpoint(checkpoint)
    for shown, frame, name in zip(frames_of(written), frames_of(video), maps, strict=True):
        assert shown.shape == (64, 256, 3)
        assert np.array_equal(raw(folder / "predictions" / name), predictor(frame))
        expected = np.hstack([frame, overlay(frame, predictor(frame), CLASSES)])
        assert np.abs(shown.astype(int) - expected).mean() < 8  # the codec loses a little
    results = results_of(folder)
    assert (results["metrics"]["images"], results["metrics"]["skipped_frames"]) == (5, 0)
    assert results["protocol"]["written"] == ["labels", "side_by_side"]


def test_a_video_of_the_overlay_alone(predict: Run, video: Path) -> None:
    folder = predict(video, "task.video=overlay", "task.outputs=[]")
    assert files_of(folder / "predictions") == {"drive_overlay.mp4"}
    assert {frame.shape for frame in frames_of(folder / "predictions" / "drive_overlay.mp4")} == {(64, 128, 3)}


def test_a_signal_leaves_a_video_of_the_frames_so_far(
    predict: Run, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_at_third_frame(monkeypatch, signal.SIGINT)
    with pytest.raises(Interrupted, match="stopped by SIGINT after 2 frames, which are in"), interruptible():
        predict(video)
    maps = {"drive/000000_labels.png", "drive/000001_labels.png"}
    assert files_of(video.parent / "run" / "predictions") == {"drive_side_by_side.mp4", *maps}
    assert not (video.parent / "run" / "results.json").exists()
    assert len(frames_of(video.parent / "run" / "predictions" / "drive_side_by_side.mp4")) == 2


def test_a_video_that_ends_before_it_says_is_said(
    predict: Run, video: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    count = VideoReader.read
    calls: list[int] = []

    def read_three(self: VideoReader) -> Any:
        calls.append(1)
        return count(self) if len(calls) <= 3 else None

    monkeypatch.setattr(VideoReader, "read", read_three)
    with caplog.at_level(logging.WARNING):
        predict(video)
    assert "announces 5 frames, 3 can be read" in caplog.text


def test_a_video_too_small_for_the_network_is_named(predict: Run, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "small.mp4", 25.0)
    writer.write(np.zeros((30, 200, 3), np.uint8))
    writer.close()
    with pytest.raises(DataError, match=r"small\.mp4: a frame is 30x200"):
        predict(tmp_path / "small.mp4")
    assert not files_of(tmp_path / "run")


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["source=null"], ConfigError, "no source is given: add source=IMAGE"),
        (["ckpt=null"], ConfigError, "no checkpoint is given"),
        (["ckpt=nowhere.ckpt"], WeightsError, "nowhere.ckpt"),
        (["source=nowhere"], DataError, "there is no source nowhere"),
        (["source=97"], DataError, "camera 97 cannot be opened within 10 s"),
        (["source=nowhere.mp4"], DataError, "there is no video nowhere.mp4"),
        (["source=clip.mp4", "task.format=cityscapes"], ConfigError, "takes images, and source=clip.mp4 is a video"),
        (["task.format=kitti"], ConfigError, "task.format is 'kitti': cityscapes"),
        (["task.outputs=[label]"], ConfigError, r"task.outputs is \['label'\]: choose from labels, color, overlay"),
        (["task.outputs=[]"], ConfigError, "task.outputs is"),
        (["source={video}", "task.video=both"], ConfigError, "task.video is 'both': choose from side_by_side, overlay"),
        (["source={video}", "task.outputs=[label]"], ConfigError, r"task.outputs is \['label'\]: choose from labels"),
        (["source={video}", "task.timeout_s=0"], ConfigError, "task.timeout_s is 0: seconds, up to 3600"),
        (
            ["source='http://me:pass@x/y'", "task.format=cityscapes"],
            ConfigError,
            r"source=http://\*\*\*@x/y is a video",
        ),
    ],
)
def test_settings_that_cannot_be_are_named(
    predict: Run, frames: Path, video: Path, overrides: list[str], error: type[ICNetError], message: str
) -> None:
    with pytest.raises(error, match=message):
        predict(frames, *(override.replace("{video}", str(video)) for override in overrides))
    assert not files_of(frames.parent / "run")
