"""What the names of the files of a data set tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from icnet.data.check.findings import Finding, Kind
from icnet.data.check.propose import NAME_FILES
from icnet.data.division import find_shared, group_of, say_groups
from icnet.data.images import FOREIGN
from icnet.data.samples import BadAnnotation, BadLine, Layout, MissingLabel, Sample, Survey
from icnet.errors import DataError


def survey_splits(layout: Layout, splits: Sequence[str]) -> tuple[dict[str, Survey], list[Finding]]:
    """The splits that are there, and what is said of the others; DataError where none is."""
    surveys: dict[str, Survey] = {}
    errors: list[DataError] = []
    for split in splits:
        try:
            survey = layout.survey(split)
            if not survey.samples and not survey.refused:
                _check_foreign(survey.unread)
                layout.samples(split)  # says that it names no images
            surveys[split] = survey
        except DataError as error:
            errors.append(error)
    if not surveys:
        raise errors[0]
    rest = "; data.val_fraction=0.2 sets training frames aside where there is no validation split"
    return surveys, [Finding(Kind.NO_SPLIT, str(error) + rest) for error in errors]


def find_by_name(survey: Survey) -> Iterator[Finding]:
    """Files that are missing, left over, or called like others."""
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
        if path.name in NAME_FILES:
            continue
        unknown = f"{path} lies beside the images, but its name is not that of an image here"
        yield Finding(Kind.UNREAD, _say_foreign(path) or unknown)
    yield from _find_shared_labels(survey.samples)


def find_groups(
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


def _find_shared_labels(samples: Sequence[Sample]) -> Iterator[Finding]:
    images: dict[Path, list[Path]] = {}
    for sample in samples:
        images.setdefault(sample.label, []).append(sample.image)
    joined = [(label, sharing[0]) for label, sharing in images.items() if label.stem.startswith(f"{sharing[0].stem}_")]
    if joined:
        more = f", and so are {len(joined) - 1} others for theirs" if len(joined) > 1 else ""
        yield Finding(Kind.JOINED, f"{joined[0][0]} is taken for the label of {joined[0][1]}{more}")
    for label, sharing in images.items():
        if len(sharing) > 1:
            yield Finding(
                Kind.SHARED_LABEL,
                f"{' and '.join(map(str, sharing))} share the label {label}: keep one of them, or name them apart",
            )


def _check_foreign(files: Sequence[Path]) -> None:
    for path in files:
        if said := _say_foreign(path):
            raise DataError(said)


def _say_foreign(path: Path) -> str | None:
    what = FOREIGN.get(path.suffix.lower())
    return what and f"{path} is {what}, which icnet does not read: convert it to PNG or JPEG"
