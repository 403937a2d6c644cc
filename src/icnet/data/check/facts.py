"""What was found in a data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from icnet.data.check.findings import Finding
from icnet.data.check.labels import usual_form
from icnet.data.check.values import Form, Values, add_up
from icnet.data.labels import ClassTable
from icnet.model.preprocess import WHOLE_DEPTH


@dataclass
class SplitFacts:
    """What was found in one split.

    pairs: images with a label; missing: labels that images lack; orphans: labels without image; sizes: (height, width) of
    the images and how many have it; labels: what each label file that was decoded holds.
    """

    name: str
    pairs: int = 0
    missing: int = 0
    orphans: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    labels: list[Values] = field(default_factory=list)

    @property
    def labels_read(self) -> int:
        return len(self.labels)


@dataclass
class Facts:
    """What was found in a data set.

    deep: whether every file was decoded. group: the expression by which frames belong together, given or found. frames: the
    sizes of those that could be read, (height, width). form: in which the label files were read, as `ClassTable` says.
    bit_depth: as `read_image` says. classes: given or found; None where nothing tells what the labels mean.
    """

    splits: list[SplitFacts]
    findings: list[Finding]
    deep: bool = False
    group: str | None = None
    form: str | None = None
    bit_depth: int = WHOLE_DEPTH
    classes: ClassTable | None = None
    frames: dict[Path, tuple[int, int]] = field(default_factory=dict)

    @property
    def labels(self) -> list[Values]:
        """Of all splits."""
        return [label for split in self.splits for label in split.labels]

    @property
    def values(self) -> dict[Form, Counter[int]]:
        """Pixels of every value over all splits, in label files of the usual form that were not blended."""
        whole = [label for label in self.labels if not label.is_blended]
        usual = usual_form(whole)
        return add_up(label for label in whole if label.form in (usual, Form.TRAIN_IDS))
