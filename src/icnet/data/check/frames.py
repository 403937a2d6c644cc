"""Reads one frame and says what its two files hold and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from icnet.data.check.findings import Finding, Kind
from icnet.data.check.values import BLENDED, Form, Values, count_values, meanings
from icnet.data.images import Pixels, read_image, read_raw_label, read_size
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.layouts import Sample
from icnet.errors import DataError
from icnet.model.icnet import SMALLEST_INFERENCE


@dataclass(frozen=True)
class FrameFacts:
    """What was found of one frame.

    size: (height, width) of the image; values: of its label file, where that was decoded; digest: of the image's pixels,
    where those were.
    """

    sample: Sample
    findings: tuple[Finding, ...]
    size: tuple[int, int] | None = None
    values: Values | None = None
    digest: str | None = None


def read_frame(sample: Sample, classes: ClassTable | None, *, decode_image: bool, decode_label: bool) -> FrameFacts:
    """Read headers, and pixels where asked. classes: what labels mean; None: not known yet, every value is fine."""
    findings: list[Finding] = []
    size = digest = values = None
    try:
        size = read_size(sample.image)
        if decode_image:
            digest = hashlib.sha256(read_image(sample.image).tobytes()).hexdigest()
    except DataError as error:
        findings.append(Finding(Kind.BROKEN, str(error)))
    try:
        label_size = read_size(sample.label)
        if decode_label:
            pixels = read_raw_label(sample.label)
            values = count_values(sample.label, pixels)
            if classes is not None:
                findings += _check_values(sample.label, pixels, values, classes)
    except DataError as error:
        findings.append(Finding(Kind.BROKEN, str(error)))
    else:
        findings += _check_sizes(sample, size, label_size)
    return FrameFacts(sample, tuple(findings), size, values, digest)


def _check_sizes(sample: Sample, size: tuple[int, int] | None, label_size: tuple[int, int]) -> Iterator[Finding]:
    if size is None:
        return
    if size != label_size:
        yield Finding(
            Kind.SIZE_MISMATCH,
            f"{sample.image} is {_show(size)} but its label {sample.label.name} is {_show(label_size)}: "
            "resize the label with nearest neighbour or export it again",
        )
    if min(size) < SMALLEST_INFERENCE:
        yield Finding(Kind.TOO_SMALL, f"{sample.image} is {_show(size)}: ICNet needs at least 32x32; leave it out")


def _check_values(path: Path, pixels: Pixels, values: Values, classes: ClassTable) -> Iterator[Finding]:
    known = meanings(classes, values.form)
    if values.form is Form.COLOURS and values.distinct > BLENDED:
        yield Finding(
            Kind.BLENDED,
            f"{path} has {values.distinct} colours, but there are {len(classes)} classes: it was saved as JPEG or resized "
            "with blending; export it again as PNG",
        )
    elif values.counts.keys() - known.keys():
        yield Finding(Kind.UNKNOWN_LABEL, _translation_error(path, pixels, values.form, classes))
    elif all(known[value] == IGNORE for value in values.counts):
        yield Finding(Kind.NOTHING_LABELLED, f"{path} ignores every pixel")


def _translation_error(path: Path, pixels: Pixels, form: Form, classes: ClassTable) -> str:
    """What training would say of this label."""
    try:
        if form is Form.COLOURS:
            classes.from_colors(pixels, path)
        else:
            classes.to_train_ids(pixels, path, train_ids=form is Form.TRAIN_IDS)
    except DataError as error:
        return str(error)
    raise AssertionError(f"{path} has unknown values, but was translated")


def _show(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
