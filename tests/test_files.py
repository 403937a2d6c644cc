"""A file is there whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from icnet.errors import ICNetError
from icnet.files import writing


def write_half(target: Path, error: Exception) -> None:
    with writing(target) as part:
        part.write_text("half of it")
        raise error


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    with writing(target) as part:
        part.write_text("{}")
        assert not target.exists()
    assert target.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_the_earlier_file_and_says_what_to_do(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    target.write_text("earlier")
    with pytest.raises(ICNetError, match=r"results\.json cannot be written \(No space left.*free the disk"):
        write_half(target, OSError(errno.ENOSPC, "No space left on device"))
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_an_error_of_another_kind_passes_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_half(tmp_path / "results.json", KeyError())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ICNetError, match="nowhere"), writing(tmp_path / "nowhere" / "results.json") as part:
        part.write_text("{}")
