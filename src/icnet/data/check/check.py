"""Checks all splits of a data set, in parallel; nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from icnet.data.bit_depth import find_bit_depth
from icnet.data.check.duplicates import Place, find_duplicates
from icnet.data.check.findings import Finding, Kind
from icnet.data.check.frames import FrameReader, Reading
from icnet.data.check.labels import find_blended, find_odd_forms, judge_labels, usual_form
from icnet.data.check.sizes import find_odd_sizes
from icnet.data.check.values import Form, Values, add_up, choose_form
from icnet.data.images import FOREIGN, WHOLE_DEPTH
from icnet.data.labels import ClassTable
from icnet.data.layouts import BadLine, Layout, MissingLabel, Sample, Survey
from icnet.data.pipeline import count_cores, overlap
from icnet.data.subset import split_off, spread
from icnet.errors import DataError

SAMPLE = 500  # frames of a split that are decoded where not all are


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

    deep: whether every file was decoded. frames: the sizes of those that could be read, (height, width). form: in which the
    label files were read, as `ClassTable` says. bit_depth: as `read_image` says.
    """

    splits: list[SplitFacts]
    findings: list[Finding]
    deep: bool = False
    frames: dict[Path, tuple[int, int]] = field(default_factory=dict)
    form: str | None = None
    bit_depth: int = WHOLE_DEPTH

    @property
    def labels(self) -> list[Values]:
        """What was read of all splits."""
        return [label for split in self.splits for label in split.labels]

    @property
    def values(self) -> dict[Form, Counter[int]]:
        """Pixels of every value over all splits, in label files of the usual form that were not blended."""
        whole = [label for label in self.labels if not label.is_blended]
        usual = usual_form(whole)
        return add_up(label for label in whole if label.form in (usual, Form.TRAIN_IDS))


def check_data(
    layout: Layout,
    splits: Sequence[str],
    classes: ClassTable | None,
    *,
    train: Sequence[str] = (),
    val_fraction: float | None = None,
    deep: bool = False,
    bit_depth: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Facts:
    """Survey the splits, read their frames, compare them.

    classes: None where they are not known yet. train: the splits that are trained on; val_fraction: the share of them that
    is set aside for validation. deep: decode every file; otherwise an even choice of SAMPLE frames in each split is, and of
    others the image is looked at by header and end, and the label is decoded where classes are to be found. bit_depth: as
    `read_image` says; None finds it. workers: threads. progress: called with the number of frames that are done and of all.
    Raises DataError where no split is there at all.
    """
    surveys, findings = _survey(layout, splits)
    for survey in surveys.values():
        findings += _survey_findings(survey)
    every = deep or classes is None
    parts = {name: [*_choose(survey, deep, every)] for name, survey in surveys.items()}
    aside = _set_aside([s for name, survey in surveys.items() if name in train for s in survey.samples], val_fraction)
    images = [sample.image for survey in surveys.values() for sample in survey.samples]
    reader = FrameReader(None if classes is None else classes.form, bit_depth or find_bit_depth(images))
    found = Facts([_start(name, survey) for name, survey in surveys.items()], findings, deep, bit_depth=reader.bit_depth)
    _read(found, parts, aside, reader, workers, progress)
    if classes is None:
        settle_form(found)
    else:
        findings += judge_labels({split.name: split.labels for split in found.splits}, train, classes)
    return found


def check_samples(
    parts: Mapping[str, Sequence[Sample]], classes: ClassTable, train: Sequence[str], most: int, bit_depth: int
) -> Facts:
    """Look closely at an even choice of up to `most` frames in each part of the data, and at no other."""
    chosen = {name: [samples[i] for i in spread(len(samples), most)] for name, samples in parts.items()}
    found = Facts([SplitFacts(name, len(samples)) for name, samples in parts.items()], [], bit_depth=bit_depth)
    readings = {name: [(sample, Reading(True, True)) for sample in samples] for name, samples in chosen.items()}
    _read(found, readings, set(), FrameReader(classes.form, bit_depth))
    found.findings += judge_labels({split.name: split.labels for split in found.splits}, train, classes)
    return found


def settle_form(found: Facts) -> None:
    """Read label files that nobody has described in the form in which they make sense together."""
    found.form = choose_form(found.labels)
    for split in found.splits:
        split.labels = [label.read_as(found.form) for label in split.labels]
    found.findings += [*find_blended(found.labels), *find_odd_forms(found.labels)]


def _read(
    found: Facts,
    parts: Mapping[str, Sequence[tuple[Sample, Reading]]],
    aside: Collection[Sample],
    reader: FrameReader,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Add what the frames hold to the facts of their splits, and what is wrong with them."""
    jobs = [(split, *job) for split in found.splits for job in parts[split.name]]
    places = []
    frames = overlap(lambda job: reader.read(job[1], job[2]), jobs, workers or count_cores())
    for done, ((split, sample, _), frame) in enumerate(zip(jobs, frames, strict=True), 1):
        found.findings += frame.findings
        if frame.values is not None:
            split.labels.append(frame.values)
        if frame.size is not None:
            split.sizes[frame.size] += 1
            found.frames[sample.image] = frame.size
            part = "set aside for validation" if sample in aside else split.name
            places.append(Place(part, sample.image, frame.digest, frame.outline))
        if progress is not None:
            progress(done, len(jobs))
    found.findings += [*find_duplicates(places), *find_odd_sizes(found.frames)]
    if found.bit_depth != WHOLE_DEPTH:
        say = f"the 16-bit images use {found.bit_depth} bits, of which the network sees the highest 8"
        found.findings.append(Finding(Kind.BIT_DEPTH, f"{say}: data.bit_depth={found.bit_depth}"))


def _set_aside(samples: list[Sample], val_fraction: float | None) -> set[Sample]:
    """The frames that validate; none where there are too few, which training says."""
    try:
        return set() if val_fraction is None else set(split_off(samples, val_fraction)[1])
    except DataError:
        return set()


def _survey(layout: Layout, splits: Sequence[str]) -> tuple[dict[str, Survey], list[Finding]]:
    """The splits that are there, and what is said of the others."""
    surveys: dict[str, Survey] = {}
    errors: list[DataError] = []
    for split in splits:
        try:
            survey = layout.survey(split)
            if not survey.samples and not survey.refused:
                layout.samples(split)  # says that it names no images
            surveys[split] = survey
        except DataError as error:
            errors.append(error)
    if not surveys:
        raise errors[0]
    rest = "; data.val_fraction=0.2 sets training frames aside where there is no validation split"
    return surveys, [Finding(Kind.NO_SPLIT, str(error) + rest) for error in errors]


def _start(name: str, survey: Survey) -> SplitFacts:
    missing = sum(isinstance(error, MissingLabel) for error in survey.refused)
    return SplitFacts(name, len(survey.samples), missing, len(survey.orphans))


def _survey_findings(survey: Survey) -> Iterator[Finding]:
    """What the names of the files tell."""
    for error in survey.refused:
        yield Finding(Kind.BAD_LINE if isinstance(error, BadLine) else Kind.MISSING_LABEL, str(error))
    wanted = {error.label for error in survey.refused if isinstance(error, MissingLabel)}
    for orphan in survey.orphans:
        if orphan.suffix != ".png" and orphan.suffix.lower() == ".png" and orphan.with_suffix(".png") in wanted:
            yield Finding(Kind.WRONG_EXTENSION, f"{orphan} is not found by that name: let it end in .png")
        elif orphan.with_suffix(".png") in wanted:
            yield Finding(
                Kind.WRONG_EXTENSION,
                f"{orphan} is no PNG: write label maps as PNG, from the source (JPEG has changed their values)",
            )
        else:
            yield Finding(Kind.ORPHAN, f"{orphan} belongs to no image")
    for path in survey.unread:
        what = FOREIGN.get(path.suffix.lower())
        remark = f"is {what}, which icnet does not read: convert it to PNG or JPEG"
        yield Finding(Kind.UNREAD, f"{path} lies beside the images, but " + (remark if what else "its name is not that of an image here"))
    yield from _label_findings(survey.samples)


def _label_findings(samples: Sequence[Sample]) -> Iterator[Finding]:
    """What the names of labels tell of the images that they belong to."""
    images: dict[Path, list[Path]] = {}
    for sample in samples:
        images.setdefault(sample.label, []).append(sample.image)
    for label, sharing in images.items():
        if len(sharing) > 1:
            yield Finding(
                Kind.SHARED_LABEL,
                f"{' and '.join(map(str, sharing))} share the label {label}: keep one of them, or name them apart",
            )
        elif label.stem.startswith(f"{sharing[0].stem}_"):
            yield Finding(Kind.JOINED, f"{label} is taken for the label of {sharing[0]}")


def _choose(survey: Survey, deep: bool, every: bool) -> Iterator[tuple[Sample, Reading]]:
    """Every sample, and how closely it is looked at. every: whether all labels are decoded."""
    count = len(survey.samples)
    chosen = set(spread(count, SAMPLE))
    for index, sample in enumerate(survey.samples):
        yield sample, Reading(deep or index in chosen, every or index in chosen, deep)
