"""Data sets whose labels are shapes: they are drawn into label maps, which the rest of icnet reads like any other."""

from __future__ import annotations

import difflib
import hashlib
import json
from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from icnet.data.formats.cache import Drawn, Job, bring_up_to_date
from icnet.data.formats.paint import Shape, draw
from icnet.data.formats.source import MISBUILT, Images, say_misbuilt
from icnet.data.headers import read_size
from icnet.data.labels import IGNORE
from icnet.data.samples import BadAnnotation, Layout, Sample, Survey
from icnet.data.walk import walk
from icnet.errors import ConfigError, DataError

_RULE = 2  # of paint.py and of what is kept beside a label map, counted up when it changes
BACKGROUND = "background"


class Outline(NamedTuple):
    """What a tool says of a frame: its size, the shapes in the order in which they are drawn, and kinds of others."""

    height: int
    width: int
    shapes: Sequence[Shape]
    others: Sequence[str] = ()


class Annotated(NamedTuple):
    """A frame. source: the file that says what is on it; read: does so, when it is needed."""

    image: Path
    split: str
    source: Path
    read: Callable[[], Outline]


@dataclass(frozen=True)
class DrawnLayout(Layout):
    """Frames with shapes in files of a tool. Pixels under no shape are 0, the background.

    labels: the value 1..254 that each label of the tool is drawn with, 255 to ignore it; several may share one. None: those
    that there are, counted in the tool's order.
    drawn: the folder that keeps the label maps; None: `drawn` in root. What was drawn from a file is drawn anew when that
    file or `labels` change.
    """

    labels: Mapping[str, int] | None = None
    drawn: str | None = None

    @property
    @abstractmethod
    def sources(self) -> Sequence[Path]:
        """The files of the tool; none where the folder is not of its making."""

    @abstractmethod
    def annotated(self) -> Iterator[Annotated]:
        """The frames that the tool's files name, in their order; one that several name is drawn in that order."""

    @abstractmethod
    def declared(self) -> Iterable[str]:
        """The labels that the tool knows of, in its order."""

    def lacks(self) -> list[str]:
        return [] if self.sources else self.signs

    def survey(self, split: str) -> Survey:
        if split not in self._frames:
            there = ", ".join(f"{name} ({len(frames)} frames)" for name, frames in self._frames.items()) or "no frame"
            raise DataError(f"{self.root} has no split {split!r}, but {there}")
        frames = sorted(self._frames[split].items())
        jobs = {self._name(i): self._job(i, p) for i, p in frames if i in self.images.all or i.is_file()}
        drawn = bring_up_to_date(self.folder, jobs)
        survey = Survey(self.root, [], [], [], [], list(self._notes(split, drawn)))
        for image, parts in frames:
            absent = f"{image} is not there: export with images, add it, or take it out of the file"
            found = drawn.get(self._name(image), absent)
            if isinstance(found, str):
                survey.refused.append(BadAnnotation(f"{parts[0].source}: {found}"))
            else:
                survey.samples.append(Sample(image, self.folder / self._name(image)))
        return survey

    @cached_property
    def values(self) -> Mapping[str, int]:
        """The value of each label."""
        return self.labels if self.labels is not None else number(self.declared())

    @cached_property
    def class_names(self) -> Mapping[int, str]:
        """What the values of the label maps are called."""
        return {0: BACKGROUND} | {value: name for name, value in reversed(list(self.values.items())) if value}

    @cached_property
    def files(self) -> list[Path]:
        """All files below root, but for what was drawn."""
        return [path for path in walk(self.root) if not path.is_relative_to(self.folder)]

    def named(self, suffix: str, deepest: int | None = None) -> list[Path]:
        """Those among them that end so, whatever the case. deepest: parts of the path below root."""
        files = [path for path in self.files if path.suffix.lower() == suffix]
        return [p for p in files if deepest is None or len(p.relative_to(self.root).parts) <= deepest]

    @cached_property
    def images(self) -> Images:
        """Those among them."""
        return Images(self.root, self.files)

    @property
    def folder(self) -> Path:
        """Where label maps are kept."""
        return self.root / "drawn" if self.drawn is None else Path(self.drawn)

    @cached_property
    def _frames(self) -> dict[str, dict[Path, list[Annotated]]]:
        """What the files say of each image, by split."""
        if lacks := self.lacks():
            raise DataError(f"{self.root} lacks {', '.join(lacks)}: task=prepare data=auto says what it is")
        found: dict[str, dict[Path, list[Annotated]]] = defaultdict(lambda: defaultdict(list))
        for part in self.annotated():
            found[part.split][part.image].append(part)
        return {split: dict(frames) for split, frames in found.items()}

    def _name(self, image: Path) -> str:
        """Of the label map of an image, in the folder of those."""
        place = image.relative_to(self.folder) if image.is_relative_to(self.folder) else image
        place = image.relative_to(self.root) if image.is_relative_to(self.root) else place
        return f"{place.as_posix().lstrip('/')}.png"

    @cached_property
    def _stamps(self) -> dict[Path, str]:
        """Of each source, all that a label map drawn from it depends on."""
        told = [_RULE, type(self).__name__, sorted(self.values.items())]
        stamps = {}
        for source in self.sources:
            state = source.stat()
            stamp = json.dumps([told, str(source.relative_to(self.root)), state.st_size, state.st_mtime_ns])
            stamps[source] = hashlib.sha256(stamp.encode()).hexdigest()
        return stamps

    def _job(self, image: Path, parts: Sequence[Annotated]) -> Job:
        return " ".join(self._stamps[part.source] for part in parts), lambda: self._draw(image, parts)

    def _draw(self, image: Path, parts: Sequence[Annotated]) -> Drawn:
        try:
            outlines = [part.read() for part in parts]
            shapes = [shape for outline in outlines for shape in outline.shapes]
            size, frame = outlines[0][:2], read_size(image)
            drawing = draw(shapes, self._value, *size)
        except MISBUILT as error:
            raise BadAnnotation(f"what it says of {image.name} {say_misbuilt(error)}; mend it in the tool") from error
        if frame not in (size, size[::-1]):
            raise BadAnnotation(
                f"it was drawn on {size[0]}x{size[1]} pixels, and {image} has {frame[0]}x{frame[1]}: put the frames there "
                "that were labelled, or export again with these"
            )
        lost = [f"{parts[0].source}: on {image.name} {reason}: left out" for reason in drawing.lost]
        others = [kind for outline in outlines for kind in outline.others]
        return Drawn(drawing.label_map, drawing.overlapped, len(shapes), lost, others)

    def _value(self, label: str) -> int:
        if label not in self.values:
            plain = {_plain(name): name for name in self.values}
            near = difflib.get_close_matches(_plain(label), plain, 1)
            hint = f"did you mean {plain[near[0]]!r}? " if near else ""
            raise BadAnnotation(f"the label {label!r} is not in data.layout.labels: {hint}add it there")
        return self.values[label]

    def _notes(self, split: str, drawn: Mapping[str, object]) -> Iterator[str]:
        maps = {name: found for name, found in drawn.items() if isinstance(found, dict)}
        yield from (reason for found in maps.values() for reason in found["lost"])
        if others := Counter(kind for found in maps.values() for kind in found["others"]):
            kinds = ", ".join(f"{kind} ({count})" for kind, count in others.most_common())
            yield f"{split}: left out, since they are no areas: {kinds}"
        if over := sum(found["overlapped"] for found in maps.values()):
            share = 100 * over / sum(found["pixels"] for found in maps.values())
            yield f"{split}: {share:.2g} % of the pixels lie under shapes of several classes: the last one counts"
        several = [parts for parts in self._frames[split].values() if len(parts) > 1]
        if several:
            first, second, *_ = several[0]
            yield (
                f"{split}: {len(several)} frames are named more than once, and the shapes of all are drawn, first "
                f"{first.image}: by {first.source} and {second.source}"
            )
        if bare := [name.removesuffix(".png") for name, found in maps.items() if not found["shapes"]]:
            yield f"{split}: {len(bare)} frames have no shape and are all {BACKGROUND}, first {bare[0]}"
        if split == next(iter(self._frames)):
            known = {image for frames in self._frames.values() for image in frames}
            if unknown := sorted(self.images.all - known):
                yield f"{len(unknown)} images are in no file of the tool and are left out, first {unknown[0]}"
            yield from _alike(self.values)


def number(labels: Iterable[str]) -> dict[str, int]:
    """Values for labels, from 1 on; those that differ in case or blanks alone share one."""
    values = {BACKGROUND: 0, "ignore": IGNORE}
    found = {}
    for label in labels:
        plain = _plain(label)
        values.setdefault(plain, len(values) - 1)
        found[label] = values[plain]
    if len(values) - 1 > IGNORE:
        raise ConfigError(
            f"there are {len(values) - 2} labels, and a label map of 8 bits tells 254 apart: name those that count in "
            "data.layout.labels, of which several may share a value"
        )
    return found


def _plain(label: str) -> str:
    return " ".join(label.casefold().split()).strip("_")


def _alike(values: Mapping[str, int]) -> Iterator[str]:
    """What labels share a value for their names."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in values:
        groups[_plain(label)].append(label)
    for labels in groups.values():
        if len(labels) > 1 and len({values[label] for label in labels}) == 1:
            names = " and ".join(map(repr, labels))
            yield f"{names} differ in case or blanks alone and are drawn as one class: data.layout.labels can part them"
