"""Videos that were written are read back as they were."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from icnet.data.images import Pixels
from icnet.data.video import VideoReader, VideoWriter
from icnet.errors import DataError


def flat(color: tuple[int, int, int], height: int = 64, width: int = 96) -> Pixels:
    return np.full((height, width, 3), color, np.uint8)


def write(path: Path, frames: list[Pixels], fps: float = 10.0) -> None:
    writer = VideoWriter(path, fps)
    for frame in frames:
        writer.write(frame)
    writer.close()


def read_all(path: Path) -> list[Pixels]:
    video = VideoReader(path)
    frames = []
    while (frame := video.read()) is not None:
        frames.append(frame)
    return frames


def test_a_video_is_read_back_with_its_frames_in_order_and_their_colours(tmp_path: Path) -> None:
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)]
    write(tmp_path / "a.mp4", [flat(color) for color in colors])
    video = VideoReader(tmp_path / "a.mp4")
    assert (video.fps, video.frames) == (10.0, 4)
    for frame, color in zip(read_all(tmp_path / "a.mp4"), colors, strict=True):
        assert frame.shape == (64, 96, 3)
        assert np.abs(frame.astype(int) - color).mean() < 6  # the codec loses a little


@pytest.mark.parametrize("fps", [1.0, 29.97002997002997, 23.976023976, 59.94005994, 119.88, 240.0])
def test_the_frame_rates_of_cameras_are_kept(tmp_path: Path, fps: float) -> None:
    write(tmp_path / "a.mp4", [flat((9, 9, 9))] * 3, fps)
    assert VideoReader(tmp_path / "a.mp4").fps == pytest.approx(fps, abs=1e-3)


def test_an_odd_last_row_and_column_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [flat((9, 9, 9), 65, 97)] * 2)
    assert [frame.shape for frame in read_all(tmp_path / "a.mp4")] == [(64, 96, 3)] * 2


def test_a_container_that_tells_no_frame_rate_gets_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.mp4", [flat((9, 9, 9))])

    class Silent:
        isOpened = staticmethod(lambda: True)
        get = staticmethod(lambda key: float("nan") if key == cv2.CAP_PROP_FPS else -1.0)

    monkeypatch.setattr(cv2, "VideoCapture", lambda path: Silent)
    video = VideoReader(tmp_path / "a.mp4")
    assert (video.fps, video.frames) == (25.0, None)


@pytest.mark.parametrize("content", [b"", b"this is no video", None])
def test_what_is_no_video_is_named_in_one_line(
    tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mp4"
    write(path, [flat((9, 9, 9))] * 9)
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(DataError, match=r"a\.mp4 cannot be opened as a video.*copy it again"):
        VideoReader(path)
    assert "moov" not in capfd.readouterr().err


def test_a_video_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no video"):
        VideoReader(tmp_path / "a.mp4")


def test_a_place_that_cannot_be_written_is_an_error_at_the_first_frame(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="64x96"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", 25.0).write(flat((9, 9, 9)))


def test_frames_that_got_lost_on_the_way_are_an_error(tmp_path: Path) -> None:
    """A full disk: OpenCV writes on without a word."""
    writer = VideoWriter(tmp_path / "a.mp4", 25.0)
    writer.write(flat((9, 9, 9)))
    writer.written += 1
    with pytest.raises(OSError, match="not all of its 2 frames"):
        writer.close()
