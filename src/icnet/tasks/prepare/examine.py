"""The data that task=prepare looks at: opened, checked, and what they may be instead of what they were taken for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from icnet.data.check.check import check_data
from icnet.data.check.facts import Facts
from icnet.data.check.findings import Finding, Kind
from icnet.data.check.place import holds, say_place
from icnet.data.check.propose import Names, propose_classes, read_names
from icnet.data.check.summary import Summary
from icnet.data.check.swapped import find_swapped
from icnet.data.check.values import Form
from icnet.data.division import Division, find_cut
from icnet.data.formats.drawn import BACKGROUND, DrawnLayout
from icnet.data.labels import ClassTable
from icnet.data.layouts import CityscapesLayout, FolderLayout
from icnet.data.samples import Layout, split_names
from icnet.errors import ConfigError, DataError
from icnet.tasks.prepare.propose import fitting_tables, given_settings
from icnet.tasks.prepare.recognise import describe, name_other
from icnet.tasks.prepare.table import show_progress
from icnet.tasks.setup.build import build

log = logging.getLogger(__name__)

_SLIVERS = 0.05  # of the pixels under no polygon: then frames are meant to be labelled whole
_VAL_FRACTION = 0.2  # of the training frames validates, for a proposal, where nothing else does


def has_classes(cfg: DictConfig) -> bool:
    """Whether somebody said what the labels mean. Of lists conf/ only guesses it, so that a proposal looks at them."""
    guessed = cfg.data.name == "list" and not any(s.startswith("data/classes=") for s in given_settings())
    return not OmegaConf.is_missing(cfg.data.classes, "names") and not (guessed and cfg.task.save_as)


def named_classes(cfg: DictConfig) -> ClassTable:
    """The classes that somebody has given; without them no answer means anything."""
    if not has_classes(cfg):
        raise ConfigError(
            "task.apply needs the classes that the queue was made with: give the same data=, data/classes="
        )
    classes: ClassTable = build(cfg.data.classes)
    return classes


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
    classes = named_classes(cfg) if has_classes(cfg) else None
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
    if Kind.UNKNOWN_LABEL in kinds or (classes is None and not isinstance(layout, DrawnLayout)):
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
        said = f"{facts.labels[0].path}: {error}" if facts.labels else str(error)
        if isinstance(layout, DrawnLayout) and facts.labels:
            said = (
                f"{layout.sources[0]} has no areas of two classes, {BACKGROUND} included: draw polygons or masks in it"
            )
        facts.findings.append(Finding(Kind.NO_CLASSES, said))
        return None


def names_of(layout: Layout, facts: Facts) -> Names:
    """What the values are called. Slivers that polygons leave between them are no class."""
    if not isinstance(layout, DrawnLayout):
        return read_names(layout.root, *(layout.folders("train")[:1] if isinstance(layout, FolderLayout) else ()))
    names = dict(layout.class_names)
    counts: Mapping[int, int] = facts.values.get(Form.IDS, {})
    if counts.get(0, 0) < _SLIVERS * sum(counts.values()):
        names[0] = "unlabelled"
    return Names(None, names, {})
