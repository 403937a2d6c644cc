"""Pascal VOC, and what CVAT calls "segmentation mask 1.1": lists of frames, and label maps of ids or colours."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from icnet.data.formats.source import split_of
from icnet.data.layouts import read_lines
from icnet.data.samples import BadAnnotation, Layout, MissingLabel, Sample, Survey, is_image
from icnet.data.walk import walk
from icnet.errors import DataError

_LISTS, _IMAGES, _LABELS = "ImageSets/Segmentation", "JPEGImages", "SegmentationClass"


@dataclass(frozen=True)
class Voc(Layout):
    """root/ImageSets/Segmentation/SPLIT.txt, root/SegmentationClass/NAME.png, root/JPEGImages/NAME.jpg, or images elsewhere.

    A line is a NAME, subfolders included. Lists that are not called like a split (CVAT's default.txt) are train.
    """

    @property
    def signs(self) -> list[str]:
        return [_LISTS, _LABELS]

    def survey(self, split: str) -> Survey:
        path = self._list(split)
        survey = Survey(path, [], [], [], [])
        for number, line in read_lines(path):
            images = self._images.get(line.strip(), [])
            label = self.root / _LABELS / f"{line.strip()}.png"
            if len(images) != 1:
                what = f"{' and '.join(map(str, images))} could both be it" if images else "no image has this name"
                fault = f"{path}, line {number}: {line.strip()}: {what}; put one of the name into {self.root / _IMAGES}"
                survey.refused.append(BadAnnotation(fault))
            elif not label.is_file():
                survey.refused.append(MissingLabel(images[0], label))
            else:
                survey.samples.append(Sample(images[0], label))
        return survey

    def _list(self, split: str) -> Path:
        lists = sorted((self.root / _LISTS).glob("*.txt"))
        found = [path for path in lists if path.stem == split] or [p for p in lists if split_of(p.stem) == split]
        if not found:
            there = ", ".join(path.name for path in lists) or f"lacks {', '.join(self.lacks()) or 'lists'}"
            raise DataError(f"{self.root / _LISTS} has no list of a split {split!r}: {there}")
        return found[0]

    @cached_property
    def _images(self) -> dict[str, list[Path]]:
        """By name without suffix: those of JPEGImages, or where there are none all beside the label maps."""
        folder = self.root / _IMAGES
        found: dict[str, list[Path]] = defaultdict(list)
        for path in walk(folder if folder.is_dir() else self.root):
            if is_image(path) and not path.relative_to(self.root).parts[0].startswith("Segmentation"):
                name = path.relative_to(folder).with_suffix("").as_posix() if folder.is_dir() else path.stem
                found[name].append(path)
        return found
