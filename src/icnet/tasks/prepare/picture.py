"""The pictures of what task=prepare understood."""

from __future__ import annotations

from collections.abc import Sequence

from icnet.data.images import read_pair
from icnet.data.labels import ClassTable
from icnet.data.samples import Sample
from icnet.data.subset import spread
from icnet.report.pictures import Picture, embed_pixels
from icnet.visualize.colors import overlay
from icnet.visualize.rows import Row, mark_ignored

_FRAMES = 4
_LONGEST = 560  # rows or columns
_QUALITY = 85


def picture_frames(samples: Sequence[Sample], classes: ClassTable, bit_depth: int) -> list[Picture]:
    """An even choice of the frames with their labels over them, ignored pixels striped. bit_depth: as `read_image` says."""
    return [_picture(samples[index], classes, bit_depth) for index in spread(len(samples), _FRAMES)]


def _picture(sample: Sample, classes: ClassTable, bit_depth: int) -> Picture:
    image, label = read_pair(*sample, classes, bit_depth=bit_depth)
    small = Row(image, label, label, sample.image.name).shrink(_LONGEST)
    pixels = mark_ignored(overlay(small.image, small.label, classes), small.label)
    return Picture(small.name, label.shape[1], label.shape[0], embed_pixels(pixels, _QUALITY))
