"""Unpacks a downloaded export beside itself."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from icnet.errors import DataError
from icnet.files import unwritable

_MOST = 200  # bytes that a byte of an archive may become: label maps of one value shrink to a hundredth
_FREE = 1 << 30  # bytes that any archive may become
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, NotImplementedError, EOFError, RuntimeError)


class Member(NamedTuple):
    """A file in an archive, of so many bytes."""

    name: str
    size: int


def is_archive(path: Path) -> bool:
    """By the name."""
    return path.is_file() and path.name.lower().endswith(ARCHIVES)


def unpack(archive: Path) -> Path:
    """The folder of the archive's name beside it, with what is inside; whole or not there at all.

    One that is there already is taken where it has every file of the archive. DataError where a path would leave the
    folder, or where the files are far larger than an archive of that size holds.
    """
    ending = next(ending for ending in ARCHIVES if archive.name.lower().endswith(ending))
    target = archive.with_name(archive.name[: -len(ending)])
    try:
        with _open(archive) as (members, extract):
            _check(archive, members)
            if target.exists():
                _check_there(archive, target, members)
            else:
                _extract(extract, target)
    except _FAULTS as error:
        raise DataError(f"{archive} cannot be unpacked ({error}): download it again, or unpack it by hand") from error
    except OSError as error:
        raise unwritable(target, error) from error
    return target


@contextmanager
def _open(archive: Path) -> Iterator[tuple[list[Member], Callable[[Path], None]]]:
    """The files in it, and what writes them to a folder. zipfile reads no more of one than its size says.

    Links and devices are left out; zipfile makes files of them.
    """
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                info.filename = info.filename.replace("\\", "/")  # as some programs of Windows write it
            infos = [info for info in zipped.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
            yield (
                [Member(info.filename, info.file_size) for info in infos],
                lambda draft: zipped.extractall(draft, infos),
            )
    else:
        with tarfile.open(archive) as tar:
            files = [file for file in tar if file.isfile()]
            yield (
                [Member(file.name, file.size) for file in files],
                lambda draft: tar.extractall(draft, files, filter="data"),
            )


def _check(archive: Path, members: Sequence[Member]) -> None:
    for member in members:
        path = PurePosixPath(member.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise DataError(f"{archive} holds {member.name!r}, which leaves its folder: do not trust it")
    size, packed = sum(member.size for member in members), archive.stat().st_size
    if size > max(_FREE, _MOST * packed):
        raise DataError(
            f"{archive} has {packed:,} bytes and would become {size:,}: unpack it by hand if you trust it, and give the "
            "folder as data.root"
        )


def _check_there(archive: Path, target: Path, members: Sequence[Member]) -> None:
    others = [member.name for member in members if not (target / member.name).is_file()]
    if others:
        raise DataError(
            f"{target} is there already, without {others[0]} of {archive.name}: give it as data.root, or move it away"
        )


def _extract(extract: Callable[[Path], None], target: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        extract(draft)
        draft.chmod(0o755)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
