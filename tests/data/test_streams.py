"""Cameras and addresses: what they give, and how they end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.mjpeg_server import STEP, Camera, basic, grey, serving
from tests.rtsp_server import serving_rtsp

from icnet.data.streams import MotionJpeg, open_video
from icnet.data.video import VideoReader, VideoWriter
from icnet.errors import DataError


def numbers(video: VideoReader) -> list[int]:
    """Those of the images that are left."""
    found = []
    while (frame := video.read()) is not None:
        assert frame.shape == (64, 128, 3)
        found.append(round(frame.mean() / STEP))
    return found


def read(camera: Camera, timeout_s: float = 5.0) -> tuple[list[int], str | None]:
    with serving(camera):
        video = open_video(camera.address, timeout_s)
        return numbers(video), video.broke


SIX = [grey(number) for number in range(6)]


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("end", ["closed", "final"])
def test_the_images_of_an_address_come_in_order_to_the_last(length: bool, end: str) -> None:
    assert read(Camera(SIX, length, end)) == ([0, 1, 2, 3, 4, 5], None)


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize(
    ("end", "reason"),
    [("cut", "it ends within a frame"), ("stalled", "nothing came for 1 s"), ("reset", "Connection reset by peer")],
)
def test_a_stream_that_breaks_gives_what_came_before_and_says_why(length: bool, end: str, reason: str) -> None:
    found, broke = read(Camera(SIX, length, end), 1.0 if end == "stalled" else 5.0)
    assert [0, 1, 2, 3, 4][: len(found)] == found[:5]
    assert len(found) >= (0 if end == "reset" else 5), "the system drops what is on its way through a reset connection"
    assert broke is not None
    assert reason in broke


def test_a_stream_that_ends_between_an_announcement_and_its_image_is_cut() -> None:
    assert read(Camera(SIX, end="empty")) == ([0, 1, 2, 3, 4], "it ends within a frame")


@pytest.mark.parametrize("length", [True, False])
def test_broken_images_are_left_out_and_the_stream_goes_on(length: bool) -> None:
    torn = grey(2)[:100] + grey(2)[-100:]
    assert read(Camera([*SIX[:2], torn, *SIX[3:]], length)) == ([0, 1, 3, 4, 5], None)


def test_colours_arrive_red_first() -> None:
    image = cv2.imencode(".jpg", np.full((64, 128, 3), (20, 40, 220), np.uint8))[1].tobytes()
    with serving(Camera([image])) as camera:
        frame = open_video(camera.address, 5.0).read()
    assert frame is not None
    assert np.abs(frame[32, 64].astype(int) - (220, 40, 20)).max() < 8


@pytest.mark.parametrize("header", [basic("me", "a@b"), 'Digest username="me"'])
def test_the_login_of_an_address_is_used_and_not_shown(header: str) -> None:
    with serving(Camera(SIX, login=header)) as camera:
        video = open_video(camera.address.replace("://", "://me:a%40b@"), 5.0)
        assert numbers(video) == [0, 1, 2, 3, 4, 5]
        assert video.title == f"http://***@127.0.0.1:{camera.server_port}/video"
        assert video.name == f"127.0.0.1_{camera.server_port}_video"
        with pytest.raises(DataError, match=r"/\*\*\*@127.* cannot be read \(HTTP Error 401") as refused:
            open_video(camera.address.replace("://", "://you:pass@"), 5.0)
        assert "pass" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nothing", "HTTP Error 404: Not Found"),
        ("/picture.jpg", "is image/jpeg, no MJPEG.*: download it, give its path"),
        ("/page", "is text/html, no MJPEG"),
        ("/silent", "cannot be read .*timed out"),
    ],
)
def test_an_address_that_gives_no_stream_is_named(path: str, message: str) -> None:
    with serving(Camera(SIX)) as camera, pytest.raises(DataError, match=f"127.0.0.1:[0-9]+{path} .*{message}"):
        open_video(camera.address.replace("/video", path), 1.0 if path == "/silent" else 5.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("http://127.0.0.1:9/x", "Connection refused"),
        ("http://[x/y", r"http://\[x/y cannot be read \(no address"),
        ("http://me:pass/word@x/y", r"http://\*\*\*@x/y cannot be read \(no address"),
        ("rtsp://me:pass@127.0.0.1:9/x", r"rtsp://\*\*\*@127.0.0.1:9/x cannot be opened within 0.4 s"),
        ("nothing://x", "nothing://x cannot be opened"),
        ("97", "camera 97 cannot be opened"),
    ],
)
def test_what_cannot_be_reached_is_named_without_its_login(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        open_video(source, 0.4)
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize("stalls", [True, False])
def test_rtsp_logs_in_and_breaks_off_when_it_stalls_or_is_closed(tmp_path: Path, stalls: bool) -> None:
    writer = VideoWriter(tmp_path / "a.ts", 25.0)
    for number in range(20):
        writer.write(np.full((64, 128, 3), STEP * number, np.uint8))
    writer._writer.release()  # type: ignore[union-attr]
    with serving_rtsp((tmp_path / "a.ts").read_bytes(), basic("me", "secret"), stalls) as place:
        video = open_video(f"rtsp://me:secret@{place}", 1.0)
        found = numbers(video)
        assert (video.title, video.live) == (f"rtsp://***@{place}", True)
        assert video.broke == "it was closed, or nothing came for 1 s"
    assert found[:10] == list(range(10))


def test_rtsp_that_wants_another_login_is_named() -> None:
    said = r"rtsp://\*\*\*@.*/live cannot be opened"
    with serving_rtsp(b"", basic("me", "secret"), stalls=False) as place, pytest.raises(DataError, match=said):
        open_video(f"rtsp://me:other@{place}", 5.0)


def test_a_camera_is_opened_by_its_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[Any] = []

    class Device:
        def __init__(self, *arguments: Any) -> None:
            opened.append(arguments)
            self.frames = [np.full((64, 128, 3), STEP * number, np.uint8) for number in range(2)]

        isOpened = staticmethod(lambda: True)
        get = staticmethod(lambda key: 30.0 if key == cv2.CAP_PROP_FPS else -1.0)

        def read(self) -> Any:
            return (True, self.frames.pop(0)) if self.frames else (False, None)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cv2, "VideoCapture", Device)
    monkeypatch.delenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", raising=False)
    video = open_video("0", 7.0)
    assert opened == [(0,)]
    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "7"
    assert (video.title, video.name, video.fps, video.live) == ("camera 0", "camera_0", 30.0, True)
    assert (numbers(video), video.broke) == ([0, 1], "it was closed, or nothing came for 7 s")


def test_a_file_is_no_stream(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", 10.0)
    writer.write(np.zeros((64, 128, 3), np.uint8))
    writer.close()
    video = open_video(str(tmp_path / "a.mp4"), 5.0)
    assert (video.live, isinstance(video, MotionJpeg), video.name) == (False, False, "a")
    assert (numbers(video), video.broke) == ([0], None)
