"""Proposes the classes of a data set from what its label files hold, and the YAML files that name them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from icnet.data.check.sizes import usual_sizes
from icnet.data.check.values import Form
from icnet.data.labels import IGNORE, INSTANCE, LARGEST, ClassTable, unpack
from icnet.data.named_values import is_void, voc_color
from icnet.errors import DataError

CROP = 960  # rows and columns of a crop, where the frames have as many
_BLACK, _BLACK_COLOUR = 0, (0, 0, 0)
_MUCH = 0.2  # of the pixels: so much black was drawn; of the label colours of Cityscapes and CamVid a tenth or less is black
NAME_FILES = (
    "label_colors.txt", "labelmap.txt", "class_names.txt", "classes.txt", "labels.txt", "codes.txt", "_classes.csv",
)  # fmt: skip
_FORMS = {
    "ids": "their three channels are equal, and hold ids",
    "colors": "their palettes differ, so that the places in them mean nothing",
    "alpha": "they have one colour alone, and the mask in the alpha channel",
}
_COLOUR_LINE = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)\s+(.+)")  # 128 64 128 road
_ID_LINE = re.compile(r"(\d+)\s*[,:]\s*(\D.*)")  # 0, road: of Roboflow's _classes.csv, after a head
_LABELMAP_LINE = re.compile(r"([^:#]+):(\d+),(\d+),(\d+)")  # road:128,64,128::  as CVAT writes it


class Names(NamedTuple):
    """What a file beside the data says: names by id, or by packed colour."""

    file: Path | None
    of_id: Mapping[int, str]
    of_colour: Mapping[int, str]


def propose_classes(values: Mapping[Form, Mapping[int, int]], names: Names, form: str | None = None) -> ClassTable:
    """A class for every value that occurs, except 255 beside others, a little unnamed black, and what is named as void.

    values: of one form, beside train ids. form: how the label files were read, as `ClassTable` says.
    DataError where that makes no sense.
    """
    if not values:
        raise DataError("no label file could be read")
    if Form.COLOURS in values:
        return replace(_classes_of_colours(values[Form.COLOURS], names), form=form)
    return replace(_classes_of_ids(values.get(Form.IDS) or values[Form.TRAIN_IDS], names), form=form)


def explain(classes: ClassTable, values: Mapping[Form, Mapping[int, int]], names: Names) -> Iterator[str]:
    """What a proposal took for granted, as sentences that ask."""
    if classes.form is not None:
        yield f"The label files are read with data.classes.form={classes.form}: {_FORMS[classes.form]}"
    if _BLACK_COLOUR in classes.colors and Form.COLOURS in values and _BLACK not in names.of_colour:
        counts = values[Form.COLOURS]
        yield (
            f"Is black a class? It has {100 * counts[_BLACK] / sum(counts.values()):.0f} % of the pixels and is proposed as "
            f"{classes.names[classes.colors.index(_BLACK_COLOUR)]!r}; where it is what nobody labelled, remove it"
        )
    if top := sorted({IGNORE, LARGEST} & set(classes.ids)):
        name = classes.names[classes.ids.index(top[0])]
        yield f"{top[0]} is proposed as a class, {name!r}, and not as void, since a network needs two classes"


def read_names(*folders: Path) -> Names:
    """The names of the classes from the first of the usual files in these folders of the data."""
    places = (folder / name for folder in folders for name in NAME_FILES)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return Names(None, {}, {})
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    of_colour = dict(filter(None, map(_read_colour, lines)))
    of_id = {int(match[1]): match[2] for match in map(_ID_LINE.fullmatch, lines) if match} or dict(enumerate(lines))
    return Names(path, {} if of_colour else of_id, of_colour)


def classes_yaml(classes: ClassTable, name: str) -> str:
    """conf/data/classes/NAME.yaml"""
    table = classes.to_dict()
    lines = [f"# data={name}: proposed by task=prepare; change names and colours as you like, keep the order"]
    lines += ["_target_: icnet.data.labels.ClassTable", "names:", *(f"  - {_scalar(n)}" for n in table["names"])]
    for key in ("label_ids", "form"):
        if table.get(key) is not None:
            lines.append(f"{key}: {_scalar(table[key])}")
    lines += [f"ignored_ids: {table['ignored_ids']}", "colors:", *(f"  - {color}" for color in table["colors"])]
    return "\n".join(lines) + "\n"


def data_yaml(name: str, layout: Mapping[str, object], settings: Mapping[str, object], recipe: str = "own") -> str:
    """conf/data/NAME.yaml. layout: its node; settings: of the data, by key; recipe: another than that of base."""
    lines = [f"# python run.py data={name}: proposed by task=prepare", "defaults:", "  - base", f"  - classes: {name}"]
    lines += [f"  - override /recipe@_global_: {recipe}"] if recipe != "own" else []
    lines += [
        "  - _self_",
        f"name: {name}",
        "layout:",
        *(f"  {key}: {_scalar(value)}" for key, value in layout.items()),
    ]
    lines += [f"{key}: {_scalar(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def choose_crop(sizes: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """The largest multiples of 32, up to CROP, that every usual frame has. sizes: (height, width), and how many have it."""
    height, width = (max(min(CROP, min(side)) // 32 * 32, 32) for side in zip(*usual_sizes(sizes), strict=True))
    return height, width


def _classes_of_ids(counts: Mapping[int, int], names: Names) -> ClassTable:
    void = sorted(value for value in counts if is_void(names.of_id.get(value)))
    ids = sorted(value for value in counts if value not in void)
    drawn = [value for value in ids if value not in (IGNORE, LARGEST)]
    ids = drawn if len(drawn) > 1 else ids
    if len(ids) < 2:
        held = ", ".join(map(str, sorted(counts)))
        raise DataError(
            f"this label file and the others hold {held} alone, and a network needs two classes: check that they are the "
            "right ones, and that more than one class was drawn"
        )
    numbered = [value for value in drawn if value >= INSTANCE]
    instances = len({value // INSTANCE for value in numbered}) < len(numbered)
    if len(ids) > IGNORE or instances:
        raise DataError(
            f"this label file and the others hold {len(ids)} values of {ids[0]} to {ids[-1]}: "
            + (f"these look like instance ids (class x {INSTANCE} + number); " if instances else "")
            + "take label maps of class ids"
        )
    contiguous = ids == list(range(len(ids)))
    named = [names.of_id.get(value, f"class_{value}") for value in ids]
    if not names.of_id and ids in ([0, 1], [0, IGNORE], [0, LARGEST]):
        named = ["background", "object"]
    return ClassTable(_unique(named), [voc_color(value) for value in ids], None if contiguous else ids, void)


def _classes_of_colours(counts: Mapping[int, int], names: Names) -> ClassTable:
    others = [color for color in counts if color != _BLACK]
    black = names.of_colour.get(_BLACK)
    much = counts.get(_BLACK, 0) > _MUCH * sum(counts.values())
    is_class = not is_void(black) if black is not None else much or len(others) < 2
    colours = sorted(others + ([_BLACK] if is_class and _BLACK in counts else []), key=lambda c: -counts[c])
    if len(colours) < 2:
        raise DataError(
            "this label file and the others hold one colour alone, and a network needs two classes: check that they are the "
            "right ones"
        )
    known = list(names.of_colour)
    colours.sort(key=lambda c: known.index(c) if c in known else len(known))
    fallback = {_BLACK: "background"}
    named = [
        names.of_colour.get(c) or fallback.get(c) or "color_{:02x}{:02x}{:02x}".format(*unpack(c)) for c in colours
    ]
    return ClassTable(_unique(named), [unpack(c) for c in colours])


def _read_colour(line: str) -> tuple[int, str] | None:
    if match := _COLOUR_LINE.fullmatch(line):
        *color, name = match.groups()
    elif match := _LABELMAP_LINE.match(line):
        name, *color = match.groups()
    else:
        return None
    red, green, blue = map(int, color)
    return (red << 16) | (green << 8) | blue, name.strip()


def _unique(names: Sequence[str]) -> list[str]:
    """Names that occur twice get their place behind them."""
    return [name if names.count(name) == 1 else f"{name}_{place}" for place, name in enumerate(names)]


def _scalar(value: object) -> str:
    """JSON is YAML, too."""
    return json.dumps(value, ensure_ascii=False)
