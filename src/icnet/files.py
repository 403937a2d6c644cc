"""Files that are written whole or not at all; and where the settings lie."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from icnet.errors import ICNetError


@contextmanager
def writing(target: Path, part: str | None = None) -> Iterator[Path]:
    """Yield the path of a temporary file beside `target`, which it becomes when the block ends well.

    Whoever reads `target` finds the earlier file or the whole new one, also after a kill or on a full disk. An OSError in
    the block becomes an ICNetError that names the target.
    part: another name for the temporary file, for files that two processes may write at once.
    """
    draft = target.with_name(part or f"{target.name}.part")
    try:
        yield draft
        os.replace(draft, target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that cannot be written cannot be cleaned either
            draft.unlink(missing_ok=True)


@contextmanager
def writing_folder(target: Path) -> Iterator[Path]:
    """The same for a folder that is not there yet, or empty."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise unwritable(target, error) from error
    try:
        yield draft
        draft.chmod(0o755)
        if target.exists():
            target.rmdir()
        draft.rename(target)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_whole_lines(path: Path) -> list[str]:
    """The lines of a file that rows are appended to, without a last one that is not whole (yet, or since a kill)."""
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def make_folder(folder: Path) -> None:
    """Make it with what lies above it; ICNetError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(target: object, error: OSError) -> ICNetError:
    """What a user can do about a full disk or a folder without permission."""
    return ICNetError(
        f"{target} cannot be written ({error.strerror or error}): free the disk or check permissions; "
        "what was there is whole"
    )


def conf_folder() -> Path:
    """conf/ of the wheel, or of the checkout."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"
