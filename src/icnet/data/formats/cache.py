"""Label maps that were drawn from annotations, kept in a folder for as long as those stay what they were."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from icnet.data.images import Pixels, write_image
from icnet.data.pipeline import count_cores, overlap
from icnet.errors import DataError
from icnet.files import make_folder, writing

log = logging.getLogger(__name__)

_INDEX = "index.json"


class Drawn(NamedTuple):
    """A label map.

    overlapped: its pixels under shapes of several values; shapes: how many were drawn; lost: what shapes are not in it;
    others: kinds of what is no shape, each as often as it occurs.
    """

    label_map: Pixels
    overlapped: int
    shapes: int
    lost: list[str]
    others: list[str]


Job = tuple[str, Callable[[], Drawn]]


def bring_up_to_date(folder: Path, jobs: Mapping[str, Job]) -> dict[str, dict[str, Any] | str]:
    """Draw what is missing, or was drawn under another stamp; by name, what the index says of it, or why there is none.

    jobs: by the name of the label map's file in `folder`, its stamp and what draws it (DataError where it cannot be).
    Of several processes one draws, and the others wait for it.
    """
    known = _read(folder)
    if _stale(folder, known, jobs):
        with _alone(folder):
            known = _read(folder)
            stale = _stale(folder, known, jobs)
            if stale:  # another process may have drawn them meanwhile
                log.info("Drawing %d label maps in %s", len(stale), folder)
            faults: dict[str, dict[str, Any] | str] = {}
            for name, entry in zip(
                stale, overlap(lambda n: _draw(folder, n, *jobs[n]), stale, count_cores()), strict=True
            ):
                (faults if isinstance(entry, str) else known)[name] = entry
            with writing(folder / _INDEX) as part:
                part.write_text(json.dumps(known), encoding="utf-8")
            return {name: known.get(name, "") for name in jobs} | faults
    return {name: known[name] for name in jobs}


def _draw(folder: Path, name: str, stamp: str, job: Callable[[], Drawn]) -> dict[str, Any] | str:
    try:
        drawn = job()
    except DataError as error:
        return str(error)
    make_folder((folder / name).parent)
    write_image(folder / name, drawn.label_map)
    return {"stamp": stamp, "pixels": drawn.label_map.size, "bytes": (folder / name).stat().st_size,
            **{key: value for key, value in drawn._asdict().items() if key != "label_map"}}  # fmt: skip


def _stale(folder: Path, known: Mapping[str, dict[str, Any]], jobs: Mapping[str, Job]) -> list[str]:
    return [name for name, (stamp, _) in jobs.items() if not _is_fresh(folder / name, known.get(name), stamp)]


def _is_fresh(path: Path, entry: Mapping[str, Any] | None, stamp: str) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("stamp") == stamp
        and path.is_file()
        and path.stat().st_size == entry.get("bytes")
    )


def _read(folder: Path) -> dict[str, Any]:
    """An index that cannot be read is as good as none."""
    try:
        index = json.loads((folder / _INDEX).read_bytes())
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}


def _alone(folder: Path) -> AbstractContextManager[object]:
    """For as long as the block runs; a process that dies lets go of it."""
    make_folder(folder)
    try:
        return FileLock(folder / ".lock").acquire()
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror}), and label maps are drawn there: set data.layout.drawn to a "
            "folder that can"
        ) from error
