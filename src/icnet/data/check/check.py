"""Checks all splits of a data set, in parallel; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from pathlib import Path

from icnet.data.bit_depth import find_bit_depth
from icnet.data.check.duplicates import Place, find_duplicates
from icnet.data.check.facts import Facts, SplitFacts
from icnet.data.check.findings import Finding, Kind
from icnet.data.check.frames import FrameReader, Reading
from icnet.data.check.labels import find_blended, find_odd_forms, judge_labels
from icnet.data.check.sizes import find_odd_sizes
from icnet.data.check.survey import find_by_name, find_groups, survey_splits
from icnet.data.check.values import Values, choose_form
from icnet.data.division import Division, propose_group
from icnet.data.labels import ClassTable
from icnet.data.pipeline import count_cores, overlap
from icnet.data.samples import Layout, MissingLabel, Sample, Survey
from icnet.data.subset import spread
from icnet.errors import DataError
from icnet.model.preprocess import WHOLE_DEPTH

SAMPLE = 500  # frames of a split that are decoded where not all are
_ASIDE = "the frames set aside for validation"

Job = tuple[SplitFacts, Sample, Reading]
Progress = Callable[[int, int], None]


def check_data(
    layout: Layout,
    splits: Sequence[str],
    classes: ClassTable | None,
    *,
    propose: Callable[[Facts], ClassTable | None] | None = None,
    division: Division = Division((), ()),  # noqa: B008  immutable
    deep: bool = False,
    bit_depth: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Facts:
    """Survey the splits, read their frames, compare them.

    classes: None where they are not known yet; then every label is decoded, and `propose` finds them. division: which of the
    frames train and which validate. deep: decode every file; otherwise an even choice of SAMPLE frames in each split is, and
    the images of others are looked at by header and end. bit_depth: as `read_image` says; None finds it. workers: threads.
    progress: called with the number of frames that are done and of all.
    Raises DataError where no split is there at all.
    """
    surveys, findings = survey_splits(layout, splits)
    for survey in surveys.values():
        findings += find_by_name(survey)
    samples = {name: survey.samples for name, survey in surveys.items()}
    training = [s for name in samples if name in division.train for s in samples[name]]
    aside = _set_aside(training, division)
    validation = aside or {s for name in samples if name in division.val for s in samples[name]}
    learnt = [s for s in training if s not in aside] or [s for part in samples.values() for s in part]
    depth = bit_depth or find_bit_depth([s.image for s in learnt])
    found = Facts([_start(name, survey) for name, survey in surveys.items()], findings, deep, bit_depth=depth)
    jobs = [job for split in found.splits for job in _choose(split, samples[split.name], deep, deep or classes is None)]
    _read(found, jobs, aside, FrameReader(classes.form if classes else None, depth), workers, progress)
    found.group = division.group or propose_group([*training, *(validation - aside)])
    if found.group is not None:
        findings += find_groups(set(training) - aside, validation, found.group, [*surveys])
    if classes is None:
        _settle_form(found)
    found.classes = classes if classes is not None or propose is None else propose(found)
    if found.classes is None:
        findings += find_blended(found.labels)
    else:
        parts = _parts(found, {sample.label for sample in aside})
        findings += judge_labels(parts, division.train, [_ASIDE] if aside else division.val, found.classes)
    return found


def check_samples(
    train: Sequence[Sample], val: Sequence[Sample], classes: ClassTable, most: int, bit_depth: int
) -> Facts:
    """Look closely at an even choice of up to `most` frames for training and for validation, and at no others."""
    samples = {"train": train, "val": val}
    splits = [SplitFacts(name, len(part)) for name, part in samples.items()]
    found = Facts(splits, [], bit_depth=bit_depth, classes=classes)
    closely = Reading(image=True, label=True)
    jobs = [(split, samples[split.name][i], closely) for split in splits for i in spread(split.pairs, most)]
    _read(found, jobs, (), FrameReader(classes.form, bit_depth))
    found.findings += judge_labels(_parts(found), ["train"], ["val"], classes)
    return found


def _set_aside(samples: list[Sample], division: Division) -> set[Sample]:
    """The training frames that validate; none where there are too few, which training says."""
    try:
        return set(division.cut(samples)[1]) if division.cuts else set()
    except DataError:
        return set()


def _start(name: str, survey: Survey) -> SplitFacts:
    missing = sum(isinstance(error, MissingLabel) for error in survey.refused)
    return SplitFacts(name, len(survey.samples), missing, len(survey.orphans))


def _choose(split: SplitFacts, samples: Sequence[Sample], deep: bool, labels: bool) -> Iterator[Job]:
    """Every sample, and how closely it is looked at. labels: whether all of these are decoded."""
    chosen = set(spread(len(samples), SAMPLE))
    for index, sample in enumerate(samples):
        yield split, sample, Reading(deep or index in chosen, labels or index in chosen, deep)


def _read(
    found: Facts,
    jobs: Sequence[Job],
    aside: Collection[Sample],
    reader: FrameReader,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Add what the frames hold to the facts, and what is wrong with them.

    Of each kind of image of which none was decoded, the first one is: what a header shows must be what can be read.
    """
    places, first, decoded = [], dict[Hashable, Sample](), set[Hashable]()
    frames = overlap(lambda job: reader.read(job[1], job[2]), jobs, workers or count_cores())
    for done, ((split, sample, _), frame) in enumerate(zip(jobs, frames, strict=True), 1):
        found.findings += frame.findings
        first.setdefault(frame.kind, sample)
        if frame.outline is not None:
            decoded.add(frame.kind)
        if frame.values is not None:
            split.labels.append(frame.values)
        if frame.size is not None:
            split.sizes[frame.size] += 1
            found.frames[sample.image] = frame.size
            places.append(Place(_ASIDE if sample in aside else split.name, sample.image, frame.digest, frame.outline))
        if progress is not None:
            progress(done, len(jobs))
    for kind, sample in first.items():
        if kind is not None and kind not in decoded:
            again = reader.read(sample, Reading(image=True, label=False)).findings
            found.findings += [finding for finding in again if finding not in found.findings]
    found.findings += [*find_duplicates(places), *find_odd_sizes(found.frames)]
    if found.bit_depth != WHOLE_DEPTH:
        say = f"the 16-bit images use {found.bit_depth} bits, of which the network sees the highest 8"
        found.findings.append(Finding(Kind.BIT_DEPTH, f"{say} (data.bit_depth={found.bit_depth})"))


def _settle_form(found: Facts) -> None:
    """Read label files that nobody has described in the form in which they make sense together."""
    found.form = choose_form(found.labels)
    for split in found.splits:
        split.labels = [label.read_as(found.form) for label in split.labels]
    found.findings += find_odd_forms(found.labels)


def _parts(found: Facts, aside: Collection[Path] = ()) -> dict[str, list[Values]]:
    """The labels of each split, but those that are set aside."""
    parts: dict[str, list[Values]] = {split.name: [] for split in found.splits}
    for split in found.splits:
        for label in split.labels:
            parts.setdefault(_ASIDE if label.path in aside else split.name, []).append(label)
    return parts
