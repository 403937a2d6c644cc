"""task=prepare: checks a data set before anyone trains on it, and writes what is asked for."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from icnet.data.check.check import check_data
from icnet.data.check.facts import Facts
from icnet.data.check.findings import Finding, Kind
from icnet.data.check.place import holds, say_place
from icnet.data.check.propose import Names, explain, propose_classes, read_names
from icnet.data.check.summary import Summary
from icnet.data.check.swapped import find_swapped
from icnet.data.check.values import Form
from icnet.data.division import Division, find_cut, frames_of
from icnet.data.formats.drawn import BACKGROUND, DrawnLayout
from icnet.data.labels import ClassTable
from icnet.data.layouts import CityscapesLayout
from icnet.data.samples import Layout, Named, split_names
from icnet.errors import ConfigError, DataError
from icnet.files import writing
from icnet.report.check import say_reading, write_check
from icnet.report.pictures import Picture
from icnet.report.results import describe_machine, write_results
from icnet.tasks.prepare.convert import convert_camvid, draw_labels, write_lists, write_packs
from icnet.tasks.prepare.picture import picture_frames
from icnet.tasks.prepare.propose import (
    check_name,
    choice_of,
    fitting_tables,
    given_settings,
    propose_files,
    training_command,
    write_files,
)
from icnet.tasks.prepare.recognise import AUTO, describe, name_other, recognise
from icnet.tasks.prepare.table import print_summary, show_progress
from icnet.tasks.setup.build import build, run_folder

log = logging.getLogger(__name__)

_SLIVERS = 0.05  # of the pixels under no polygon: then frames are meant to be labelled whole
_VAL_FRACTION = 0.2  # of the training frames validates, for a proposal, where nothing else does


def prepare(cfg: DictConfig) -> None:
    """Convert, check, say what was found, write what is asked for; DataError where something must be mended first.

    What was found is written also where something that was asked for fails.
    """
    begin = time.monotonic()
    check_settings(cfg)
    understood = list(recognise(cfg))
    for line in understood:
        log.info("%s", line)
    advice = list(convert_camvid(cfg))
    layout = open_layout(cfg)
    advice += draw_labels(cfg.task.labels, layout, splits_of(cfg))
    summary = examine(cfg, layout)
    print_summary(summary)
    files = propose_files(cfg, summary) if cfg.task.save_as or not has_classes(cfg) else {}
    try:
        if not summary.grave:
            advice += write_requested(cfg, layout, summary, files)
    finally:
        for line in advice:
            log.info("%s", line)
        summary = replace(summary, advice=(*understood, *advice))
        write_findings(cfg, summary, files, picture(layout, summary), time.monotonic() - begin)
    if summary.grave:
        count = sum(map(len, summary.grave.values()))
        raise DataError(
            f"{layout.root} is not ready for training: {count} to mend ({', '.join(k.title for k in summary.grave)}); "
            f"the whole list is in {run_folder() / 'report.html'}"
        )


def check_settings(cfg: DictConfig) -> None:
    """Refuse what cannot be done, before anything is read."""
    task, data = cfg.task, cfg.data
    if task.save_as is not None:
        check_name(task.save_as)
    if task.lists and data.name == "list":
        raise ConfigError("task.lists=true: these data are read from lists already")
    if task.lists and choice_of("data/classes") in (None, "none"):
        raise ConfigError(
            "task.lists=true needs named classes: choose data/classes=NAME (task.save_as writes a proposal)"
        )
    if task.pack and data.packed is None:
        raise ConfigError("data.packed is null: name the folder that task.pack=true writes to")
    for option, needed in (("compress", "pack"), ("half", "convert")):
        if task[option] and not task[needed]:
            raise ConfigError(f"task.{option}=true says how, but task.{needed} is not given: give both, or neither")


def has_classes(cfg: DictConfig) -> bool:
    """Whether somebody said what the labels mean. Of lists conf/ only guesses it, so that a proposal looks at them."""
    guessed = cfg.data.name == "list" and not any(s.startswith("data/classes=") for s in given_settings())
    return not OmegaConf.is_missing(cfg.data.classes, "names") and not (guessed and cfg.task.save_as)


def open_layout(cfg: DictConfig) -> Layout:
    """The data on disk; generated first where they are generated.

    A proposal for data without a validation split sets training frames aside, in groups where their names tell some that
    come near the share.
    """
    layout: Layout = build(cfg.data.layout)(Path(cfg.data.root))
    if cfg.data.get("prepare"):
        build(cfg.data.prepare)(layout.root)
    cfg.data.layout = describe(layout)
    if not division_of(cfg).cuts and not has_classes(cfg) and not holds(layout, split_names(cfg.data.val_split)):
        cfg.data.val_fraction = _VAL_FRACTION
        log.info("There is no validation split: data.val_fraction=%s sets training frames aside", _VAL_FRACTION)
        if cfg.data.group is None and holds(layout, split_names(cfg.data.train_split)):
            frames = [s for split in split_names(cfg.data.train_split) for s in layout.survey(split).samples]
            cfg.data.group = find_cut(frames, _VAL_FRACTION)
    return layout


def division_of(cfg: DictConfig) -> Division:
    """Which frames train and which validate."""
    data = cfg.data
    splits = (split_names(data.train_split), split_names(data.val_split))
    return Division(*splits, data.val_fraction, data.group, split_names(data.holdout or []))


def splits_of(cfg: DictConfig) -> list[str]:
    """The splits that training reads."""
    division = division_of(cfg)
    return list(dict.fromkeys([*division.train, *division.packed_val]))


def looked_at(cfg: DictConfig, layout: Layout) -> list[str]:
    """Beside those, what is evaluated alone. Cityscapes' test split is published with blank labels."""
    named = None if division_of(cfg).cuts else cfg.data.split  # then "train" and "val" name parts
    alone = [] if named is None else split_names(named)
    if holds(layout, ["test"]) and not isinstance(layout, CityscapesLayout):
        alone.append("test")
    return list(dict.fromkeys([*splits_of(cfg), *alone]))


def examine(cfg: DictConfig, layout: Layout) -> Summary:
    """Check the data; propose classes where nobody gave them."""
    classes: ClassTable | None = build(cfg.data.classes) if has_classes(cfg) else None
    with show_progress("Reading") as progress:
        try:
            facts = check_data(
                layout,
                looked_at(cfg, layout),
                classes,
                propose=lambda facts: propose(facts, layout),
                division=division_of(cfg),
                deep=cfg.task.deep,
                bit_depth=cfg.data.bit_depth,
                progress=progress,
            )
        except DataError as error:
            raise find_remedy(error, cfg, layout) from error
    facts.findings += list(suspect(cfg, layout, facts, classes))
    return Summary(cfg.data.name, os.path.abspath(layout.root), facts, tuple(split_names(cfg.data.train_split)))


def suspect(cfg: DictConfig, layout: Layout, facts: Facts, classes: ClassTable | None) -> Iterator[Finding]:
    """What these data may be instead of what they were taken for."""
    kinds = {finding.kind for finding in facts.findings}
    if kinds & {Kind.MISSING_LABEL, Kind.UNREAD} and (other := name_other(cfg, layout.root)):
        yield Finding(Kind.OTHER_DATA, other)
    if Kind.BROKEN not in kinds:
        yield from find_swapped(layout.survey(facts.splits[0].name))
    if Kind.UNKNOWN_LABEL in kinds or (classes is None and not isinstance(layout, Named)):
        for name in fitting_tables(facts.values):
            yield Finding(Kind.OTHER_CLASSES, f"data/classes={name} gives every value a meaning")


def find_remedy(error: DataError, cfg: DictConfig, layout: Layout) -> DataError:
    """The error of data that are not there, with where they are or what reads them."""
    if not isinstance(layout, DrawnLayout):  # which would look through all that lies in the folders above, too
        told = say_place(error, build(cfg.data.layout), layout.root, splits_of(cfg))
        if told is not error:
            return told
    other = name_other(cfg, layout.root)
    return error if other is None else DataError(f"{str(error).partition(';')[0]}; {other}")


def propose(facts: Facts, layout: Layout) -> ClassTable | None:
    """Classes from the values of the label files; where none can be, the findings say why."""
    try:
        return propose_classes(facts.values, names_of(layout, facts), facts.form)
    except DataError as error:
        first = f"{facts.labels[0].path}: " if facts.labels else ""
        facts.findings.append(Finding(Kind.NO_CLASSES, f"{first}{error}"))
        return None


def names_of(layout: Layout, facts: Facts) -> Names:
    """What the values are called. Slivers that polygons leave between them are no class."""
    if not isinstance(layout, Named):
        return read_names(layout.root)
    names = dict(layout.class_names)
    counts: Mapping[int, int] = facts.values.get(Form.IDS, {})
    if isinstance(layout, DrawnLayout) and counts.get(0, 0) < _SLIVERS * sum(counts.values()):
        names[0] = "unlabelled"
    return Names(None, names, {})


def write_requested(cfg: DictConfig, layout: Layout, summary: Summary, files: Mapping[Path, str]) -> Iterator[str]:
    """Write the proposal, lists and packs that were asked for, and say how to go on."""
    root = f"data.root={cfg.data.root}"
    if cfg.task.lists:
        yield from write_lists(layout.root, *build(cfg.data).find_samples())
        command = training_command("data=list", root, f"data/classes={choice_of('data/classes')}")
        yield f"Wrote train.list and val.list; train from them: {command}"
    if cfg.task.pack and summary.classes is not None:
        depth, folder = summary.facts.bit_depth, Path(cfg.data.packed)
        yield from write_packs(layout, splits_of(cfg), summary.classes, folder, depth, compress=cfg.task.compress)
    if ignored := [row.value for row in summary.value_rows if files and row.meaning == "ignored"]:
        yield f"Of no class in the proposal, and ignored: {', '.join(ignored)}"
    if files and isinstance(layout, DrawnLayout):
        yield (
            f"Pixels under no shape are {BACKGROUND}: to leave them out, take it out of the classes (label_ids then says "
            "the others' values) and put 0 into ignored_ids"
        )
    if files and summary.classes is not None:
        yield from explain(summary.classes, summary.facts.values, names_of(layout, summary.facts))
    if cfg.task.save_as:
        write_files(files)
        yield f"Wrote {' and '.join(map(str, files))}: look at the names and colours of the classes"
        yield f"Train: {training_command(f'data={cfg.task.save_as}')}"
    elif files:
        yield "These classes are a proposal: task.save_as=NAME writes it, and data=NAME trains with it"
    else:
        chosen = [f"data={cfg.data.name}" if setting == f"data={AUTO}" else setting for setting in given_settings()]
        yield f"Train: {training_command(*chosen, root)}"


def picture(layout: Layout, summary: Summary) -> list[Picture]:
    """Frames that are trained on; none where they cannot be read, which the findings say."""
    if summary.grave or summary.classes is None:
        return []
    return picture_frames(frames_of(layout, summary.train), summary.classes, summary.facts.bit_depth)


def write_findings(
    cfg: DictConfig, summary: Summary, files: Mapping[Path, str], frames: Sequence[Picture], seconds: float
) -> None:
    """prepare.json, report.html and, last, results.json in the folder of the run."""
    folder = run_folder()
    with writing(folder / "prepare.json") as part:
        part.write_text(
            json.dumps(summary.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
            errors="backslashreplace",  # names of files in another encoding
        )
    write_check(folder, summary, {str(path): content for path, content in files.items()}, frames)
    metrics = {
        "pairs": {split.name: split.pairs for split in summary.facts.splits},
        "to_mend": {kind.title: len(texts) for kind, texts in summary.grave.items()},
        "notes": {kind.title: len(texts) for kind, texts in summary.found.items() if not kind.grave},
        "shares": {row.name: row.shares for row in summary.class_rows},
        "class_weights": {
            "median_frequency": {row.name: row.median_frequency for row in summary.class_rows},
            "log": {row.name: row.log for row in summary.class_rows},
        },
        "ignored": summary.unlabelled,
    }
    protocol = {
        "data": summary.name,
        "root": summary.root,
        "splits": [split.name for split in summary.facts.splits],
        "read": say_reading(summary),
        "classes": None if summary.classes is None else summary.classes.to_dict(),
        **describe_machine(torch.device("cpu")),
    }
    write_results(folder, "prepare", cfg.name, metrics, protocol, seconds)
    log.info("Report: %s", folder / "report.html")
