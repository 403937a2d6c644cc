"""Unpacks a downloaded export beside itself."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from icnet.errors import DataError
from icnet.files import unwritable

_MOST = 200  # bytes that a byte of an archive may become: label maps of one value shrink to a hundredth
_FREE = 1 << 30  # bytes that any archive may become


def unpack(archive: Path) -> Path:
    """The folder of the archive's name beside it, with what is inside; whole or not there at all.

    One that is there already is taken where it has every file of the archive. DataError where a path would leave the
    folder, or where the files are far larger than an archive of that size holds.
    """
    target = archive.with_suffix("")
    try:
        with zipfile.ZipFile(archive) as content:
            members = [m for m in content.infolist() if not m.is_dir() and "__MACOSX" not in m.filename]
            _check(archive, members)
            if target.exists():
                return _check_there(archive, target, members)
            _extract(content, members, target)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise DataError(f"{archive} cannot be unpacked ({error}): download it again, or unpack it by hand") from error
    except OSError as error:
        raise unwritable(target, error) from error
    return target


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise DataError(f"{archive} holds {member.filename!r}, which leaves its folder: do not trust it")
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > max(_FREE, _MOST * packed):
        raise DataError(
            f"{archive} has {packed:,} bytes and would become {size:,}: unpack it by hand if you trust it, and give the "
            "folder as data.root"
        )


def _check_there(archive: Path, target: Path, members: list[zipfile.ZipInfo]) -> Path:
    others = [m.filename for m in members if not (target / m.filename).is_file()]
    if others:
        raise DataError(
            f"{target} is there already, without {others[0]} of {archive.name}: give it as data.root, or move it away"
        )
    return target


def _extract(content: zipfile.ZipFile, members: list[zipfile.ZipInfo], target: Path) -> None:
    """zipfile reads no more of a member than its size says, and makes no links."""
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        content.extractall(draft, members)
        draft.chmod(0o755)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
