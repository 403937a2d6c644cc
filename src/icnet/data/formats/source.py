"""Reads what all formats are made of: JSON, XML, and images by the names that a tool gives them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from icnet.data.samples import BadAnnotation, is_image, join_faults
from icnet.errors import DataError

Content = TypeVar("Content")
# What a file that is not built as its tool builds it brings about
MISBUILT = (KeyError, TypeError, ValueError, IndexError, AttributeError)
_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


def gather(sources: Iterable[Path], read: Callable[[Path], Content]) -> dict[Path, Content]:
    """What is read of each file; one DataError for all of which it cannot be."""
    found: dict[Path, Content] = {}
    faults = []
    for source in sources:
        try:
            found[source] = read(source)
        except BadAnnotation as error:
            faults.append(error)
        except MISBUILT as error:
            faults.append(BadAnnotation(f"{source} {say_misbuilt(error)}; export it again"))
    if faults:
        raise join_faults(faults)
    return found


def say_misbuilt(error: Exception) -> str:
    """What a file lacks, or has that it should not."""
    if isinstance(error, KeyError):
        return f"lacks {error}"
    return str(error) if str(error).startswith("has ") else f"is not built as its tool builds it ({error})"


def read_json(path: Path) -> Any:
    """BadAnnotation names line and column of a fault."""
    try:
        return json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise BadAnnotation(
            f"{path}, line {error.lineno}, column {error.colno}: no JSON ({error.msg}); export it again"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadAnnotation(f"{path} is no JSON in UTF-8: export it again") from error


def read_xml(path: Path) -> Element:
    """The root of a document. One that declares a type, and with it entities, is refused: no labelling tool writes any."""

    def refuse(*_: object) -> None:
        raise BadAnnotation(f"{path} declares a document type, as no labelling tool does: export it again")

    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(_read(path), True)
    except expat.ExpatError as error:
        raise BadAnnotation(
            f"{path}, line {error.lineno}, column {error.offset + 1}: no XML ({expat.ErrorString(error.code)}); "
            "export it again"
        ) from error
    return builder.close()


def mentions(path: Path, *words: str) -> bool:
    """Whether all of these stand in a file, somewhere: cheaper than to read it."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return all(word.encode() in content for word in words)


def split_of(place: str) -> str:
    """The split that a path names, in its last part that names any: train where none does."""
    return next(filter(None, map(find_split, reversed(PurePosixPath(place).parts))), "train")


def find_split(name: str) -> str | None:
    """The split that the name of a file or folder says, as train2017 or Validation do."""
    return next((_SPLITS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLITS), None)


class Images:
    """The images below a folder, by name, also by that without its suffix: so CVAT names the frames of a video."""

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root = root
        self.all = {path for path in files if is_image(path)}
        self._folders = {path.parent for path in self.all}
        self._at: dict[Path, Path] = {}
        self._named: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.all):
            bare = path.with_suffix("")
            for called in (path,) if is_image(bare) else (path, bare):
                self._at[called] = path
                self._named[called.name].append(called)

    def find(self, name: str, near: Sequence[Path]) -> Path:
        """The file that a tool calls `name`: in one of the folders `near`, or else the one whose path ends so.

        A file that is not there gets the path where it is expected. DataError where two could be meant.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        relative = PurePosixPath(*[part for part in parts if part not in ("/", "..", ".") and not part.endswith(":")])
        for folder in near:
            if (place := folder / relative) in self._at:
                return self._at[place]
        shared = {path: _count_shared(path, relative) for path in self._named.get(relative.name, ())}
        found = [path for path, count in shared.items() if count == max(shared.values())]
        if len(found) > 1:
            raise BadAnnotation(
                f"{found[0]} and {found[1]} could both be {name!r}: rename one, or move it out of {self.root}"
            )
        return self._at[found[0]] if found else next((f for f in near if f in self._folders), near[0]) / relative


def _count_shared(path: Path, name: PurePosixPath) -> int:
    """How many parts are the same, from the last one upwards."""
    pairs = zip(reversed(path.parts), reversed(name.parts), strict=False)
    return next((count for count, (one, other) in enumerate(pairs) if one != other), len(name.parts))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from error
