"""What is shown of an address."""

from __future__ import annotations

import pytest

from icnet.data.address import hide_login


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://host:554/a/b", "rtsp://host:554/a/b"),
        ("rtsp://me:secret@host/a", "rtsp://***@host/a"),
        ("rtsp://me:sec@ret@host/a", "rtsp://***@host/a"),
        ("rtsp://me:sec/ret@host/a", "rtsp://***@host/a"),
        ("rtsp://secret@host", "rtsp://***@host"),
        ("http://host/video.cgi?user=me&pwd=secret", "http://host/video.cgi"),
        ("rtsp://host/user=me&password=secret&channel=1", "rtsp://host/user"),
        ("http://host/a;secret=1", "http://host/a"),
        ("frames/me@home?=1.png", "frames/me@home?=1.png"),
        ("0", "0"),
    ],
)
def test_no_login_is_shown(source: str, shown: str) -> None:
    assert hide_login(source) == shown
