"""answers.json: what somebody said of the regions of a queue, checked against the data it is applied to."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icnet.data.formats.runs import decode_runs
from icnet.data.formats.source import read_json
from icnet.data.images import Pixels
from icnet.data.labels import IGNORE, ClassTable
from icnet.errors import DataError

VERDICTS = ("label", "network", "unsure")  # what is wrong


class Answer(NamedTuple):
    """What somebody said of a region. label, prediction: train ids; top, left: of mask (h, w) in the frame.

    size, checksum: of the label map that the region was found in.
    """

    frame: str
    size: tuple[int, int]
    checksum: str
    label: int
    prediction: int
    top: int
    left: int
    mask: npt.NDArray[np.bool_]
    verdict: str

    @property
    def changes(self) -> bool:
        """Whether the label is to become another."""
        return self.verdict != "network"

    def apply(self, label: Pixels, *, ignore: bool) -> None:
        """Mend a label map in place: a wrong label becomes what the network saw, or ignored; unsure ones are ignored."""
        height, width = self.mask.shape
        region = label[self.top : self.top + height, self.left : self.left + width]
        region[self.mask] = IGNORE if ignore or self.verdict == "unsure" else self.prediction


def name_frame(image: Path, root: Path) -> str:
    """What a queue calls a frame: its path below the folder of the data, or the whole one."""
    return image.relative_to(root).as_posix() if image.is_relative_to(root) else image.absolute().as_posix()


def checksum(label: Pixels) -> str:
    """Of a label map of train ids (H, W)."""
    return f"{zlib.crc32(label.tobytes()):08x}"


def read_answers(path: Path, classes: ClassTable) -> list[Answer]:
    """Those of a file that queue.html saved; DataError where it is none, or is about other classes."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("answers"), list):
        raise DataError(f"{path} holds no answers: open queue.html, answer there, and save answers.json")
    if content.get("classes") != list(classes.names):
        theirs = ", ".join(map(str, content.get("classes") or ["none"]))
        raise DataError(
            f"{path} is about the classes {theirs}, and the data have {', '.join(classes.names)}: choose the data= that its "
            "queue was made of"
        )
    return [_read(path, number, row, classes.names) for number, row in enumerate(content["answers"], 1)]


def _read(path: Path, number: int, row: Mapping[str, Any], names: Sequence[str]) -> Answer:
    try:
        (height, width), (top, left, *shape) = map(_whole, (row["size"], row["box"]))
        mask = decode_runs(_whole(row["runs"]), *shape)
        if row["answer"] not in VERDICTS:
            raise ValueError(f"says {row['answer']!r}, and not {' or '.join(VERDICTS)}")
        if top + mask.shape[0] > height or left + mask.shape[1] > width:
            raise ValueError(f"has a box beyond its frame of {height}x{width}")
        if unknown := [row[key] for key in ("label", "prediction") if row[key] not in names]:
            raise ValueError(f"names {unknown[0]!r}, which is no class")
        pair = names.index(row["label"]), names.index(row["prediction"])
        return Answer(str(row["frame"]), (height, width), str(row["checksum"]), *pair, top, left, mask, row["answer"])
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}, answer {number} {what}: save it once more in queue.html") from error


def _whole(values: Any) -> list[int]:
    """A list of numbers of 0 or more."""
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise ValueError(f"has {str(values)[:40]} where whole numbers are expected")
    return values
