"""Finds images that lie where labels should."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from icnet.data.check.findings import Finding, Kind
from icnet.data.images import read_image, read_raw_label
from icnet.data.labels import pack
from icnet.data.samples import MissingLabel, Sample, Survey

_PAINTED, _SEEN = 64, 1000  # colours of what people paint, at most, and of what cameras see, at least


def find_swapped(survey: Survey) -> Iterator[Finding]:
    """Whether the two files of a frame look as if they stood in each other's place. DataError where one is broken."""
    for sample in [*survey.samples, *_left_over(survey)][:1]:
        yield from _compare(sample)


def _left_over(survey: Survey) -> Iterator[Sample]:
    """Images that lack a label, with files among the labels that have their name: photographs, in swapped folders."""
    orphans = {orphan.stem: orphan for orphan in survey.orphans}
    for error in survey.refused:
        if isinstance(error, MissingLabel) and error.image.stem in orphans:
            yield Sample(error.image, orphans[error.image.stem])


def _compare(sample: Sample) -> Iterator[Finding]:
    label = read_raw_label(sample.label)
    if label.ndim == 3 and len(np.unique(pack(label))) > _SEEN:
        colors = len(np.unique(pack(read_image(sample.image))))
        if colors <= _PAINTED:
            yield Finding(
                Kind.SWAPPED,
                f"{sample.label} looks like a photograph, and {sample.image} has {colors} colours alone: swap the folders "
                "of images and labels",
            )
