"""Finds images that lie where labels should."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from icnet.data.check.findings import Finding, Kind
from icnet.data.images import read_image, read_raw_label
from icnet.data.labels import pack
from icnet.data.samples import Sample

_PAINTED, _SEEN = 64, 1000  # colours of what people paint, at most, and of what cameras see, at least


def find_swapped(sample: Sample) -> Iterator[Finding]:
    """Whether the two files of a frame look as if they stood in each other's place. DataError where one is broken."""
    label = read_raw_label(sample.label)
    if label.ndim == 3 and len(np.unique(pack(label))) > _SEEN:
        colors = len(np.unique(pack(read_image(sample.image))))
        if colors <= _PAINTED:
            yield Finding(
                Kind.SWAPPED,
                f"{sample.label} looks like a photograph, and {sample.image} has {colors} colours alone: swap the folders "
                "of images and labels",
            )
