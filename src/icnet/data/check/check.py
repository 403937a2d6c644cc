"""Checks all splits of a data set, in parallel; nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from icnet.data.check.duplicates import Place, find_duplicates
from icnet.data.check.findings import Finding, Kind
from icnet.data.check.frames import FrameFacts, read_frame
from icnet.data.check.values import Form, Values, add_up, count_classes, looks_like_train_ids
from icnet.data.division import Division, find_shared, group_of, propose_group, say_groups
from icnet.data.labels import ClassTable
from icnet.data.layouts import BadAnnotation, BadLine, Layout, MissingLabel, Sample, Survey
from icnet.data.pipeline import count_cores, overlap
from icnet.data.subset import spread
from icnet.errors import DataError

SAMPLE = 500  # label files of a split that are decoded where not all are


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

    @property
    def values(self) -> dict[Form, Counter[int]]:
        """Pixels of every value over all labels that were decoded."""
        return add_up({label.form: label.counts} for label in self.labels)


@dataclass
class Facts:
    """What was found in a data set.

    deep: whether every file was decoded. group: the expression by which frames belong together, given or found.
    """

    splits: list[SplitFacts]
    findings: list[Finding]
    deep: bool
    group: str | None = None

    @property
    def values(self) -> dict[Form, Counter[int]]:
        """Pixels of every value over all splits."""
        return add_up(split.values for split in self.splits)


def check_data(
    layout: Layout,
    splits: Sequence[str],
    classes: ClassTable | None,
    *,
    division: Division = Division((), ()),  # noqa: B008  immutable
    deep: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Facts:
    """Survey the splits, read their frames, compare them.

    classes: None where they are not known yet. division: which of the frames train and which validate. deep: decode every
    file; otherwise images are looked at by header and end alone, of the labels an even choice of SAMPLE files in each split
    is decoded, all where classes are to be found. workers: threads. progress: called with the number of frames that are done
    and of all.
    Raises DataError where no split is there at all.
    """
    surveys, findings = _survey(layout, splits)
    found = Facts([_start(name, survey) for name, survey in surveys.items()], findings, deep)
    for survey in surveys.values():
        findings += _survey_findings(survey)
    every = deep or classes is None
    jobs = [(split, sample, chosen) for split in found.splits for sample, chosen in _choose(surveys[split.name], every)]
    training = [s for name, survey in surveys.items() if name in division.train for s in survey.samples]
    aside = _set_aside(training, division)
    places = []
    frames = overlap(
        lambda job: read_frame(job[1], classes, decode_image=deep, decode_label=job[2]), jobs, workers or count_cores()
    )
    for done, ((split, _, _), frame) in enumerate(zip(jobs, frames, strict=True), 1):
        _add(split, frame)
        findings += frame.findings
        if frame.size is not None:
            part = "set aside for validation" if frame.sample in aside else split.name
            places.append(Place(part, frame.sample.image, frame.digest))
        if progress is not None:
            progress(done, len(jobs))
    findings += find_duplicates(places)
    validation = aside or {s for name, survey in surveys.items() if name in division.val for s in survey.samples}
    found.group = division.group or propose_group([*training, *(validation - aside)])
    if found.group is not None:
        findings += _group_findings(set(training) - aside, validation, found.group, [*surveys])
    if classes is not None:
        findings += _value_findings(found, division.train, classes)
    return found


def _set_aside(samples: list[Sample], division: Division) -> set[Sample]:
    """The training frames that validate; none where there are too few, which training says."""
    try:
        return set(division.cut(samples)[1]) if division.cuts else set()
    except DataError:
        return set()


def _group_findings(
    train: Collection[Sample], val: Collection[Sample], group: str, splits: Sequence[str]
) -> Iterator[Finding]:
    """Whether frames that belong together stand on both sides."""
    if shared := find_shared(train, val, group):
        groups = say_groups(group_of(sample, group) for sample in (*train, *val))
        yield Finding(
            Kind.SHARED_GROUP,
            f"{sum(shared.values())} of {len(val)} validation frames are of a group that trains, too "
            f"({say_groups(shared.elements())}; data.group='{group}'): their score flatters. data.train_split=["
            f"{','.join(splits)}] data.holdout=NAME judges a group that training has not seen; there are {groups}",
        )


def _value_findings(found: Facts, train: Sequence[str], classes: ClassTable) -> Iterator[Finding]:
    """What the labels of all splits together tell, and those of training."""
    values = found.values
    if looks_like_train_ids(values.get(Form.IDS, {}), classes):
        yield Finding(
            Kind.WRONG_IDS,
            "the label files hold train ids where label ids are expected: choose classes without label_ids "
            "(Cityscapes: data/classes=cityscapes_train_ids), or let their names end in labelTrainIds.png",
        )
    pixels, _, _ = count_classes(values, classes)
    learnt, _, _ = count_classes(add_up(split.values for split in found.splits if split.name in train), classes)
    for name, count, in_training in zip(classes.names, pixels, learnt, strict=True):
        if values and not count:
            yield Finding(Kind.ABSENT_CLASS, f"no label that was read holds {name}")
        elif train and values and not in_training:
            yield Finding(Kind.ABSENT_CLASS, f"no label of the training split that was read holds {name}, others do")


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
        kinds = {BadLine: Kind.BAD_LINE, BadAnnotation: Kind.BAD_ANNOTATION}
        yield Finding(kinds.get(type(error), Kind.MISSING_LABEL), str(error))
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
    yield from (Finding(Kind.ANNOTATION, note) for note in survey.notes)
    for path in survey.unread:
        yield Finding(Kind.UNREAD, f"{path} lies beside the images, but its name is not that of an image here")


def _choose(survey: Survey, deep: bool) -> Iterator[tuple[Sample, bool]]:
    """Every sample, and whether its label is decoded."""
    count = len(survey.samples)
    chosen = set(spread(count, SAMPLE))
    return ((sample, deep or index in chosen) for index, sample in enumerate(survey.samples))


def _add(split: SplitFacts, frame: FrameFacts) -> None:
    if frame.size is not None:
        split.sizes[frame.size] += 1
    if frame.values is not None:
        split.labels.append(frame.values)
