"""The files below a folder, by one rule for all who read one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from icnet.errors import DataError


def walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, sorted within each; none where there is no such folder.

    Links to folders are followed, unless they lead back to where they came from. What begins with a dot is left out (macOS
    leaves ._NAME beside NAME), and so are the folders of runs, which hold results.
    """
    for place, below, names in os.walk(folder, onerror=_refuse, followlinks=True):
        here = Path(place)
        below[:] = sorted(n for n in below if not n.startswith(".") and not is_run(here / n) and not _is_loop(here, n))
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def is_run(folder: Path) -> bool:
    """Whether a run left its results there."""
    return (folder / ".hydra").is_dir()


def _refuse(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise DataError(f"{error.filename} cannot be read ({error.strerror}): check its permissions, or leave it out")


def _is_loop(folder: Path, name: str) -> bool:
    """Also through links that lead to one another."""
    if not (folder / name).is_symlink():
        return False
    target = (folder / name).resolve()
    return any(place.resolve().is_relative_to(target) for place in (folder, *folder.parents))
