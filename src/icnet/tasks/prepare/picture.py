"""The picture of what task=prepare understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from icnet.data.images import read_pair
from icnet.data.labels import ClassTable
from icnet.data.layouts import Sample
from icnet.data.subset import spread
from icnet.files import make_folder
from icnet.visualize.labelled import Labelled, draw_labelled
from icnet.visualize.rows import Row

_FRAMES = 4
_LONGEST = 800  # rows or columns


def draw_frames(samples: Sequence[Sample], classes: ClassTable, folder: Path) -> Path:
    """Write folder/figures/frames.png: an even choice of the frames, with their labels over them."""
    shown = [_read(samples[index], classes) for index in spread(len(samples), _FRAMES)]
    make_folder(folder / "figures")
    draw_labelled(shown, classes, folder / "figures" / "frames.png")
    return folder / "figures" / "frames.png"


def _read(sample: Sample, classes: ClassTable) -> Labelled:
    image, label = read_pair(*sample, classes)
    small = Row(image, label, label, sample.image.name).shrink(_LONGEST)
    return Labelled(small.image, small.label, small.name)
