"""task=prepare: checks a data set before anyone trains on it, and writes what is asked for."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig

from icnet.data.check.propose import explain
from icnet.data.check.summary import Summary
from icnet.data.division import frames_of
from icnet.data.formats.drawn import BACKGROUND, DrawnLayout
from icnet.data.samples import Layout
from icnet.errors import ConfigError, DataError
from icnet.files import writing
from icnet.report.check import say_reading, write_check
from icnet.report.pictures import Picture
from icnet.report.results import describe_machine, write_results
from icnet.tasks.prepare.apply import apply_answers
from icnet.tasks.prepare.convert import convert_camvid, draw_labels, write_lists, write_packs
from icnet.tasks.prepare.examine import examine, has_classes, looked_at, named_classes, names_of, open_layout, splits_of
from icnet.tasks.prepare.picture import picture_frames
from icnet.tasks.prepare.propose import (
    check_name,
    choice_of,
    given_settings,
    propose_files,
    training_command,
    write_files,
)
from icnet.tasks.prepare.recognise import AUTO, recognise
from icnet.tasks.prepare.table import print_summary
from icnet.tasks.setup.build import build, run_folder

log = logging.getLogger(__name__)


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
    if cfg.task.apply is not None:
        advice += apply_answers(cfg, layout, looked_at(cfg, layout), named_classes(cfg))
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
    for option, needed in (("compress", "pack"), ("half", "convert"), ("ignore", "apply"), ("corrected", "apply")):
        if task[option] and not task[needed]:
            value = "true" if task[option] is True else task[option]
            raise ConfigError(f"task.{option}={value} says how, but task.{needed} is not given: give both, or neither")


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
    elif cfg.task.apply:
        classes = [f"data/classes={choice_of('data/classes')}", *(s for s in given_settings() if "values=" in s)]
        yield f"Train: {training_command('data=list', root, *classes)}"
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
