"""What is wrong with label files, seen through their classes, and what was probably meant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from icnet.data.check.findings import Finding, Kind
from icnet.data.check.values import (
    Form,
    Values,
    add_up,
    count_classes,
    find_moved,
    looks_like_train_ids,
    meanings,
)
from icnet.data.labels import IGNORE, ClassTable

_NAMED = 6  # values that a sentence names


def find_blended(labels: Sequence[Values]) -> Iterator[Finding]:
    """Label files that were resized with blending or saved as JPEG."""
    for label in labels:
        if label.is_blended:
            yield Finding(
                Kind.BLENDED,
                f"{label.path} holds {label.distinct} different {label.form.value}, {label.loose} of which lie along edges "
                "alone: it was saved as JPEG or resized with blending; export it again as PNG, and resize label maps with "
                "nearest neighbour",
            )


def find_odd_forms(labels: Sequence[Values]) -> Iterator[Finding]:
    """Label files of another form than most."""
    usual = usual_form(labels)
    count = sum(label.form is usual for label in labels)
    for label in labels:
        if {label.form, usual} == {Form.IDS, Form.COLOURS}:
            yield Finding(
                Kind.OTHER_FORM,
                f"{label.path} holds {label.form.value}, where {count} of {len(labels)} label files hold {usual.value}: "
                "write it like these",
            )


def usual_form(labels: Sequence[Values]) -> Form:
    """What most label files hold, those apart that are called train ids."""
    forms = Counter(label.form for label in labels if label.form is not Form.TRAIN_IDS)
    return forms.most_common(1)[0][0] if forms else Form.TRAIN_IDS


def judge_labels(
    parts: Mapping[str, Sequence[Values]], train: Sequence[str], val: Sequence[str], classes: ClassTable
) -> Iterator[Finding]:
    """What the label files of all parts of the data tell. train, val: the parts that are trained and validated on."""
    labels = [label for part in parts.values() for label in part]
    if classes.form is None and (moved := find_moved(labels)) is not None:
        yield Finding(
            Kind.PALETTES,
            f"{moved[0].path} and {moved[1].path} have different palettes, so that one id stands for several colours: "
            "data.classes.form=colors reads the colours",
        )
    for label in labels:
        yield from _judge_label(label, classes)
    if looks_like_train_ids(add_up(labels).get(Form.IDS, {}), classes):
        yield Finding(
            Kind.WRONG_IDS,
            "the label files hold train ids where label ids are expected: choose classes without label_ids "
            "(Cityscapes: data/classes=cityscapes_train_ids), or let their names end in labelTrainIds.png",
        )
    if classes.form in (None, "ids"):  # data.values names ids
        yield from _find_meant(labels, classes)
    counted = {name: count_classes(add_up(part), classes)[0] for name, part in parts.items() if part}
    for name in (*train, *val):
        if name in counted and not counted[name].any():
            yield Finding(
                Kind.VOID_SPLIT,
                f"no label of {name} that was read has a labelled pixel: check that its label files are the right ones, and "
                "data.classes.ignored_ids",
            )
    yield from _find_absent({name: pixels for name, pixels in counted.items() if pixels.any()}, train, classes)


def _judge_label(label: Values, classes: ClassTable) -> Iterator[Finding]:
    known = meanings(classes, label.form)
    unknown = {value: pixels for value, pixels in label.counts.items() if value not in known}
    if label.is_blended and unknown:
        yield from find_blended([label])
    elif unknown and label.form is Form.COLOURS:
        yield Finding(Kind.UNKNOWN_LABEL, str(classes.refuse_colors(unknown, label.path)))
    elif unknown:
        refusal = classes.refuse_ids(unknown, label.path, train_ids=label.form is Form.TRAIN_IDS)
        yield Finding(Kind.UNKNOWN_LABEL, str(refusal))
    elif all(known[value] == IGNORE for value in label.counts):
        yield Finding(Kind.NOTHING_LABELLED, f"{label.path} ignores every pixel")


def _find_meant(labels: Sequence[Values], classes: ClassTable) -> Iterator[Finding]:
    """Ids that fit no class, or fit them by ignoring a class's worth of pixels, and fit all of them in another reading."""
    found = {value: label for label in labels if label.form is Form.IDS for value in label.counts}
    meant = _guess(set(found), classes)
    if meant is not None:
        value = max(found.keys() & meant.keys())
        shown = ", ".join(map(str, sorted(found)[:_NAMED])) + (", ..." if len(found) > _NAMED else "")
        setting = ", ".join(f"{key}: {name}" for key, name in meant.items())
        yield Finding(
            Kind.MEANT,
            f"{found[value].path} holds {value}, and the labels together {shown}, in a data set of {len(classes)} classes: "
            f"{value} is probably {meant[value]}{', not void' if value == IGNORE else ''}; say data.values={{{setting}}}",
        )


def _guess(values: set[int], classes: ClassTable) -> dict[int, str] | None:
    """The class that each value probably stands for, where the table reads some of them otherwise."""
    known, count = classes.meanings(), len(classes)
    drawn = values if count == 2 and values <= {0, IGNORE} else values - {IGNORE}
    if not drawn or all(known.get(value, IGNORE) != IGNORE for value in drawn):
        return None
    if drawn == {0, IGNORE}:
        return {0: classes.names[0], IGNORE: classes.names[1]}
    if max(drawn) < count or all(value in known for value in drawn):
        return None
    step = math.gcd(*drawn)
    if step > 1 and max(drawn) // step < count:
        return {step * index: name for index, name in enumerate(classes.names)}
    if drawn == set(range(1, count + 1)):
        return {index + 1: name for index, name in enumerate(classes.names)}
    return None


def _find_absent(
    counted: Mapping[str, npt.NDArray[np.int64]], train: Sequence[str], classes: ClassTable
) -> Iterator[Finding]:
    """Classes without pixels. counted: the pixels of each class in each part."""
    for index, name in enumerate(classes.names):
        absent = [part for part, pixels in counted.items() if not pixels[index]]
        if counted and len(absent) == len(counted):
            yield Finding(Kind.ABSENT_CLASS, f"no label that was read holds {name}")
        elif absent:
            remark = "" if set(absent).isdisjoint(train) else ", so that a network cannot learn it"
            where = " or ".join(absent)
            yield Finding(Kind.ABSENT_CLASS, f"no label of {where} that was read holds {name}, others do{remark}")
