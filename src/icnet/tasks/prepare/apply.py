"""For task.apply=answers.json: label maps with what was answered, beside the originals, and lists that name them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from icnet.data.answers import Answer, checksum, name_frame, read_answers
from icnet.data.check.place import holds
from icnet.data.images import Pixels, read_label, turn_like, write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import ListLayout
from icnet.data.samples import Layout, Sample
from icnet.errors import ConfigError, DataError
from icnet.files import make_folder, writing_folder
from icnet.tasks.prepare.convert import list_lines
from icnet.tasks.prepare.recognise import describe


def apply_answers(cfg: DictConfig, layout: Layout, splits: Sequence[str], classes: ClassTable) -> Iterator[str]:
    """Write mended label maps, of train ids, and a list of each split to a new folder, which `cfg.data` then stands for.

    Frames whose labels stay are listed with their own label files. The folder appears whole or not at all.
    """
    path, ignore = Path(cfg.task.apply), cfg.task.ignore
    target = Path(cfg.task.corrected or f"{os.path.abspath(layout.root)}_corrected")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is not empty: choose another task.corrected, or remove it")
    answers = read_answers(path, classes)
    samples = {split: layout.samples(split) for split in splits if holds(layout, [split])}
    mended = _find(path, answers, [s for part in samples.values() for s in part], layout.root)
    with writing_folder(target) as draft:
        for sample, of_frame in mended.items():
            place = draft / _name(sample, layout.root)
            make_folder(place.parent)
            write_image(place, _mend(path, sample, of_frame, classes, ignore=ignore))
        for split, part in samples.items():
            listed = [Sample(s.image, draft / _name(s, layout.root)) if s in mended else s for s in part]
            (draft / f"{split}.list").write_text(list_lines(draft, listed), encoding="utf-8", errors="surrogateescape")
    _stand_for(cfg, target)
    counts = [sum(answer.verdict == verdict for answer in answers) for verdict in ("label", "unsure", "network")]
    what = "are ignored" if ignore else "became the class that the network saw"
    yield (
        f"Of {len(answers)} answers {counts[0]} wrong labels {what}, {counts[1]} unsure ones are ignored, {counts[2]} stay: "
        f"{len(mended)} label maps and the lists of all frames are in {target}"
    )


def _find(path: Path, answers: Sequence[Answer], samples: Sequence[Sample], root: Path) -> dict[Sample, list[Answer]]:
    """The frames whose labels change, in their order, with what changes them."""
    known = {name_frame(sample.image, root): sample for sample in samples}
    if absent := [answer.frame for answer in answers if answer.frame not in known]:
        raise DataError(
            f"{path} has {len(absent)} answers about frames that are not among the {len(known)} of {root}, first "
            f"{absent[0]}: choose the data= and data.split that its queue was made of"
        )
    found = defaultdict[Sample, list[Answer]](list)
    for answer in answers:
        if answer.changes:
            found[known[answer.frame]].append(answer)
    if not found:
        raise DataError(f"{path} says of no label that it is wrong, or may be: there is nothing to write")
    return dict(found)


def _mend(path: Path, sample: Sample, answers: Sequence[Answer], classes: ClassTable, *, ignore: bool) -> Pixels:
    size = answers[0].size
    label = turn_like(read_label(sample.label, classes), sample.image, size)
    if any(label.shape != answer.size or checksum(label) != answer.checksum for answer in answers):
        raise DataError(
            f"{sample.label} is not the label that {path} is about: it has changed since, or was mended already; make a new "
            "queue of it"
        )
    for answer in answers:
        answer.apply(label, ignore=ignore)
    return label


def _name(sample: Sample, root: Path) -> str:
    """Of a label file, which says that it holds train ids."""
    return f"labels/{name_frame(sample.image, root).lstrip('/')}_labelTrainIds.png"


def _stand_for(cfg: DictConfig, target: Path) -> None:
    cfg.data.root, cfg.data.layout = str(target), describe(ListLayout(target))
    if cfg.data.packed is not None:
        cfg.data.packed = f"{target}/packed"
    if cfg.data.get("prepare") is not None:
        cfg.data.prepare = None
