"""What can be wrong with a data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A kind of finding: its name, and whether it must be mended before training (or is worth a note)."""

    SWAPPED = ("images and labels swapped", True)
    NO_SPLIT = ("no such split", True)
    BAD_LINE = ("bad line in a list", True)
    BAD_ANNOTATION = ("annotation that cannot be read", True)
    MISSING_LABEL = ("image without label", True)
    WRONG_EXTENSION = ("label that is no PNG", True)
    BROKEN = ("broken file", True)
    DAMAGED = ("damaged file", True)
    SIZE_MISMATCH = ("label of another size", True)
    TOO_SMALL = ("frame that is too small", True)
    WRONG_IDS = ("train ids for label ids", True)
    UNKNOWN_LABEL = ("unknown label", True)
    BLENDED = ("blended label", True)
    OTHER_FORM = ("label of another form", True)
    PALETTES = ("palettes that differ", True)
    MEANT = ("values that probably mean something else", True)
    VOID_SPLIT = ("split without labelled pixels", True)
    SHARED_LABEL = ("label of two images", True)
    NO_CLASSES = ("no classes can be proposed", True)
    LEAK = ("same frame in two splits", True)
    SHARED_GROUP = ("frames of one drive in two splits", False)
    REPEATED = ("same frame twice", False)
    NEAR = ("nearly the same frame in two splits", False)
    TURNED = ("photograph that is turned", False)
    PERHAPS_TURNED = ("label that may be turned", False)
    PAGES = ("image of several pages", False)
    BIT_DEPTH = ("bits of 16-bit images", False)
    ODD_SIZE = ("frame of another size", False)
    SMALLER = ("frame smaller than a crop", False)
    JOINED = ("label of another name", False)
    ORPHAN = ("label without image", False)
    UNREAD = ("file that is not read", False)
    NOTHING_LABELLED = ("label that ignores every pixel", False)
    ABSENT_CLASS = ("class without pixels", False)
    ANNOTATION = ("said of the annotations", False)
    OTHER_DATA = ("other data= fits", False)
    OTHER_CLASSES = ("other classes fit", False)

    def __init__(self, title: str, grave: bool) -> None:
        self.title, self.grave = title, grave


@dataclass(frozen=True)
class Finding:
    """One thing that was found, as a sentence that names the file."""

    kind: Kind
    text: str


def by_kind(findings: Iterable[Finding]) -> dict[Kind, list[str]]:
    """The sentences of each kind that occurs, grave kinds first, otherwise in the order of `Kind`."""
    found: dict[Kind, list[str]] = {}
    for finding in findings:
        found.setdefault(finding.kind, []).append(finding.text)
    return {kind: found[kind] for kind in sorted(Kind, key=lambda kind: not kind.grave) if kind in found}
