"""What a source names, and what its images are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from icnet.data.sources import find_pictures, is_stream, is_video
from icnet.errors import DataError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(source: object) -> list[str]:
    return [picture.name for picture in find_pictures(str(source)).pictures]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """aachen/a.png aachen/b.jpg ulm/c.PNG, and files that are no images."""
    root = tmp_path / "frames"
    touch(root / "aachen" / "b.jpg", root / "aachen" / "a.png", root / "ulm" / "c.PNG", root / "notes.md")
    touch(root / "ulm" / "._c.PNG", root / ".cache" / "d.png", root / "ulm" / "e.mp4")
    return root


def test_an_image_goes_by_its_own_name(tree: Path) -> None:
    assert names(tree / "aachen" / "b.jpg") == ["b"]


def test_a_folder_is_read_with_its_subfolders_but_not_what_is_hidden(tree: Path) -> None:
    assert names(tree) == ["aachen/a", "aachen/b", "ulm/c"]
    assert find_pictures(str(tree)).pictures[0].file == tree / "aachen" / "a.png"


def test_what_a_folder_or_a_glob_holds_beside_images_is_told(tree: Path) -> None:
    touch(tree / "aachen" / "h.xmp")
    assert find_pictures(str(tree)).others == ["aachen/h.xmp", "notes.md", "ulm/e.mp4"]
    assert find_pictures(str(tree / "*" / "*")).others == ["aachen/h.xmp", "ulm/e.mp4"]
    assert find_pictures(str(tree / "*" / "*.*g")).others == []
    assert find_pictures(str(tree / "aachen" / "b.jpg")).others == []


def test_a_folder_with_an_end_like_a_list_or_a_video_is_a_folder(tmp_path: Path) -> None:
    for name in ("set.txt", "clip.mp4"):
        touch(tmp_path / name / "a.png")
        assert not is_video(str(tmp_path / name))
        assert names(tmp_path / name) == ["a"]


def test_the_folders_of_runs_are_no_source_of_new_ones(tree: Path) -> None:
    run = tree / "outputs" / "predict"
    touch(run / ".hydra" / "config.yaml", run / "predictions" / "a_labels.png", tree / "outputs" / "mine.png")
    assert names(tree) == ["aachen/a", "aachen/b", "outputs/mine", "ulm/c"]
    assert names(tree / "**" / "*.png") == ["aachen/a", "outputs/mine"]
    assert names(run / "predictions") == ["a_labels"], "asked for by its own path"


def test_folders_behind_links_are_read_and_circles_of_links_end(tree: Path) -> None:
    touch(tree.parent / "elsewhere" / "f.png")
    (tree / "linked").symlink_to(tree.parent / "elsewhere")
    (tree / "ulm" / "back").symlink_to(tree)
    assert names(tree) == ["aachen/a", "aachen/b", "linked/f", "ulm/c"]


def test_a_glob_keeps_the_folders_from_its_first_wildcard_on(tree: Path) -> None:
    assert names(tree / "*" / "*.png") == ["aachen/a"]
    assert names(tree / "aachen" / "?.*") == ["a", "b"]
    assert names(tree / "**" / "*.[jp][pn]g") == ["aachen/a", "aachen/b"]


def test_a_glob_of_folders_reads_the_folders(tree: Path) -> None:
    assert names(tree / "*") == ["aachen/a", "aachen/b", "ulm/c"]


def test_a_glob_in_the_working_directory_needs_no_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert names("*/b.*") == ["aachen/b"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path / "a[1].png", tmp_path / "a1.png")
    assert names(tmp_path / "a[1].png") == ["a[1]"]


def test_a_list_is_relative_to_its_folder_or_to_the_working_directory(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "ulm")
    (tree / "some.txt").write_text("aachen/a.png\nc.PNG\n")
    assert [p.file for p in find_pictures(str(tree / "some.txt")).pictures] == [
        tree / "aachen" / "a.png",
        tree / "ulm" / "c.PNG",
    ]
    assert names(tree / "some.txt") == ["aachen/a", "ulm/c"]


def test_a_list_may_come_from_windows_with_gaps_comments_and_labels(tree: Path) -> None:
    touch(tree / "my frames" / "g.png")
    lines = [
        "\ufeffaachen/a.png",
        "",
        "  ",
        "# later",
        "ulm/c.PNG labels/c.png",
        "my frames/g.png\tx.png",
        "my frames/g.png ",
    ]
    (tree / "val.list").write_bytes("\r\n".join(lines).encode())
    assert names(tree / "val.list") == ["aachen/a", "ulm/c", "my frames/g"]


def test_a_file_of_a_list_that_is_missing_is_left_to_fail_by_itself(tree: Path) -> None:
    (tree / "some.txt").write_text("aachen/a.png\naachen/none at all.png\n")
    found = find_pictures(str(tree / "some.txt")).pictures
    assert [p.file for p in found] == [tree / "aachen" / "a.png", tree / "aachen" / "none at all.png"]


def test_images_of_a_list_beyond_its_folder_are_named_below_the_folder_they_share(tree: Path) -> None:
    lists = tree.parent / "lists"
    lists.mkdir()
    (lists / "some.txt").write_text(f"{tree}/aachen/a.png\n../frames/ulm/c.PNG\n")
    assert names(lists / "some.txt") == ["aachen/a", "ulm/c"]


def test_a_file_that_is_listed_twice_is_read_once(tree: Path) -> None:
    (tree / "some.txt").write_text("aachen/a.png\n./aachen/../aachen/a.png\n")
    assert names(tree / "some.txt") == ["aachen/a"]


def test_names_that_would_overwrite_one_another_keep_their_suffixes(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("a.jpg", "a.png", "a.jpg.png", "b.png")))
    assert dict(zip(names(tmp_path), sorted(os.listdir(tmp_path)), strict=True)) == {
        "a.jpg": "a.jpg", "a.jpg.png": "a.jpg.png", "a.png": "a.png", "b": "b.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "there is no source .*nowhere: give source=IMAGE, DIR.*a camera's number or an address"),
        ("*.svg", "names no images"),
        ("empty", "names no images"),
        ("frames/notes.md", r"no image, video or list by its name \(known: \.png"),
        ("blank.txt", "names no images"),
        ("utf16.txt", "not text in UTF-8"),
    ],
)
def test_a_source_that_cannot_be_one_is_named_with_the_remedy(tree: Path, source: str, message: str) -> None:
    (tree.parent / "empty").mkdir()
    (tree.parent / "blank.txt").write_text("\n\n")
    (tree.parent / "utf16.txt").write_text("a.png\n", encoding="utf-16")
    with pytest.raises(DataError, match=message):
        find_pictures(str(tree.parent / source))


def test_videos_are_told_by_their_names(tmp_path: Path) -> None:
    touch(tmp_path / "clip[1].mp4")
    assert is_video(str(tmp_path / "clip[1].mp4"))
    assert is_video("a/clip.MP4")
    assert is_video("~/clip.webm")
    assert not is_video("a/clips/*.mp4")
    assert not is_video("a/clip.png")


@pytest.mark.parametrize("source", ["rtsp://host/a", "http://host/a.jpg", "https://" + "a" * 300, "0", "12"])
def test_addresses_and_the_numbers_of_cameras_are_streams(source: str) -> None:
    assert is_stream(source)
    assert is_video(source)


@pytest.mark.parametrize("source", ["2024", "-1", "0.png", "a/0", "host/a", "*"])
def test_other_names_are_no_streams(source: str) -> None:
    assert not is_stream(source)


def test_a_file_or_a_folder_called_0_comes_before_the_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "0" / "a.png", tmp_path / "1")
    assert not is_stream("0")
    assert names("0") == ["a"]
    assert not is_stream("1")
    assert is_stream("2")
