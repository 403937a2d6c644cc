"""Downloaded exports, unpacked beside themselves."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from icnet.data.formats import unzip
from icnet.data.formats.unzip import unpack
from icnet.errors import DataError


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in files.items():
            content.writestr(name, data)
    return path


def test_an_archive_becomes_the_folder_of_its_name_once(tmp_path: Path) -> None:
    made = archive(tmp_path / "my export.zip", {"a/b.txt": b"1", "__MACOSX/a/._b.txt": b"", "c.txt": b"2"})
    assert unpack(made) == tmp_path / "my export"
    assert sorted(p.name for p in (tmp_path / "my export").rglob("*")) == ["a", "b.txt", "c.txt"]
    (tmp_path / "my export/drawn").mkdir()
    assert unpack(made) == tmp_path / "my export"


@pytest.mark.parametrize("name", ["export.tar", "export.TAR.GZ", "export.tgz"])
def test_a_tar_becomes_a_folder_too_without_its_links(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("1")
    (tmp_path / "in/link").symlink_to(tmp_path)
    with tarfile.open(tmp_path / name, "w:gz" if "g" in name.lower() else "w") as content:
        content.add(tmp_path / "in", "project")
    assert unpack(tmp_path / name) == tmp_path / "export"
    assert [p.name for p in sorted((tmp_path / "export").rglob("*"))] == ["project", "a.txt"]


def test_a_path_that_leaves_the_folder_of_a_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as content:
        content.addfile(tarfile.TarInfo("../a.txt"))
    with pytest.raises(DataError, match="leaves its folder"):
        unpack(tmp_path / "x.tar")


def test_names_as_some_programs_of_windows_write_them_are_paths(tmp_path: Path) -> None:
    unpack(archive(tmp_path / "x.zip", {"images\\a.txt": b"1"}))
    assert (tmp_path / "x/images/a.txt").read_text() == "1"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match=r"/x is there already, without a\.txt of x\.zip"):
        unpack(archive(tmp_path / "x.zip", {"a.txt": b""}))


@pytest.mark.parametrize("name", ["../a.txt", "/a.txt", "b/../../a.txt", "..\\a.txt", "C:\\a.txt"])
def test_a_path_that_leaves_the_folder_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    made = archive(tmp_path / "in/x.zip", {"ok": b"", name: b""})
    with pytest.raises(DataError, match="leaves its folder"):
        unpack(made)
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "x.zip"]


def test_an_archive_that_would_become_far_larger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million zeros shrink to a thousandth."""
    made = archive(tmp_path / "x.zip", {"zeros": bytes(10**6)})
    unpack(made)
    monkeypatch.setattr(unzip, "_FREE", 10**5)
    with pytest.raises(DataError, match="would become 1,000,000: unpack it by hand"):
        unpack(made)


def test_an_archive_that_is_cut_off_or_damaged_leaves_nothing(tmp_path: Path) -> None:
    made = archive(tmp_path / "x.zip", {"a.txt": bytes(range(256)) * 50})
    whole = made.read_bytes()
    for content in (whole[:-30], whole[:60] + b"xx" + whole[62:]):
        made.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.zip cannot be unpacked"):
            unpack(made)
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]
