"""Reads one frame and says what its two files hold and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from icnet.data.check.duplicates import draw_outline
from icnet.data.check.findings import Finding, Kind
from icnet.data.check.listen import hear
from icnet.data.check.values import Values, count_values
from icnet.data.headers import Header, read_header
from icnet.data.images import Pixels, decode_label, read_image
from icnet.data.samples import Sample
from icnet.errors import DataError
from icnet.model.icnet import SMALLEST_INFERENCE
from icnet.model.preprocess import WHOLE_DEPTH


@dataclass(frozen=True)
class Reading:
    """How closely a frame is looked at.

    image, label: whether they are decoded. deep: whether the pixels of the image are compared.
    """

    image: bool
    label: bool
    deep: bool = False


@dataclass(frozen=True)
class FrameFacts:
    """What was found of one frame.

    kind: of the image, by its header; size: (height, width) of it; values: of its label file, outline: of the image, digest:
    of its pixels, where they were decoded.
    """

    sample: Sample
    findings: tuple[Finding, ...]
    kind: Hashable = None
    size: tuple[int, int] | None = None
    values: Values | None = None
    outline: int | None = None
    digest: str | None = None


class FrameReader:
    """Reads frames; called by several threads at once.

    form: of the label files, as `ClassTable` says. bit_depth: as `read_image` says.
    """

    def __init__(self, form: str | None = None, bit_depth: int = WHOLE_DEPTH) -> None:
        self.form, self.bit_depth = form, bit_depth

    def read(self, sample: Sample, reading: Reading) -> FrameFacts:
        findings: list[Finding] = []
        header = values = outline = digest = None
        try:
            header = read_header(sample.image)
            if reading.image:
                pixels, said = self._decode(sample, header)
                findings += said
                outline = draw_outline(pixels)
                digest = hashlib.sha256(pixels.tobytes()).hexdigest() if reading.deep else None
        except DataError as error:
            findings.append(Finding(Kind.BROKEN, str(error)))
        try:
            label_size = read_header(sample.label).size
            if reading.label:
                values = count_values(decode_label(sample.label), self.form)
        except DataError as error:
            findings.append(Finding(Kind.BROKEN, str(error)))
        else:
            findings += _check_sizes(sample, header, label_size) if header is not None else ()
        kind, size = (None, None) if header is None else (header.kind, header.size)
        return FrameFacts(sample, tuple(findings), kind, size, values, outline, digest)

    def _decode(self, sample: Sample, header: Header) -> tuple[Pixels, list[Finding]]:
        """libjpeg fills in what a file lost, and tells nobody but stderr."""
        if not header.is_jpeg:
            return read_image(sample.image, self.bit_depth), []
        pixels, said = hear(lambda: read_image(sample.image, self.bit_depth))
        lost = f"{sample.image} lost a part of its data ({said}): copy or download it again"
        return pixels, [Finding(Kind.DAMAGED, lost)] if said else []


def _check_sizes(sample: Sample, header: Header, label_size: tuple[int, int]) -> Iterator[Finding]:
    image, label, size = sample.image, sample.label.name, header.size
    turned = header.is_turned and label_size == size[::-1]
    if size != label_size and not turned:
        on_its_side = label_size == size[::-1]
        remedy = "turn the label" if on_its_side else "resize the label with nearest neighbour or export it again"
        yield Finding(
            Kind.SIZE_MISMATCH, f"{image} is {_show(size)} but its label {label} is {_show(label_size)}: {remedy}"
        )
    elif header.orientation != 1 and size != size[::-1] and header.is_turned:
        like = f", and its label {label}, which is not, like it" if turned else ""
        yield Finding(Kind.TURNED, f"{image} is read upright, as its EXIF tag says ({header.orientation}){like}")
    elif header.orientation != 1:
        yield Finding(
            Kind.PERHAPS_TURNED,
            f"{image} is read as its EXIF tag says ({header.orientation}), and the size of {label} does not tell whether it "
            "was drawn on the upright photograph: compare the two; if it was not, remove the tag from the photograph",
        )
    if min(size) < SMALLEST_INFERENCE:
        yield Finding(Kind.TOO_SMALL, f"{image} is {_show(size)}: ICNet needs at least 32x32; leave it out")
    if header.pages > 1:
        yield Finding(Kind.PAGES, f"{image} holds {header.pages} images: the first of them is read")


def _show(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
