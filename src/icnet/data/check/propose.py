"""Proposes the classes of a data set from what its label files hold, and the YAML files that name them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from icnet.data.check.values import BLENDED, Form
from icnet.data.labels import IGNORE, ClassTable, unpack
from icnet.errors import DataError

CROP = 960  # rows and columns of a crop, where the frames have as many
_BLACK = 0
_NAME_FILES = ("label_colors.txt", "labelmap.txt", "classes.txt", "labels.txt", "codes.txt")
_VOID = ("void", "ignore", "ignored", "unlabeled", "unlabelled")
_COLOUR_LINE = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)\s+(.+)")  # 128 64 128 road
_LABELMAP_LINE = re.compile(r"([^:#]+):(\d+),(\d+),(\d+)")  # road:128,64,128::  as CVAT writes it


class Names(NamedTuple):
    """What a file beside the data says: names by id, or by packed colour."""

    file: Path | None
    of_id: Mapping[int, str]
    of_colour: Mapping[int, str]


def propose_classes(values: Mapping[Form, Mapping[int, int]], names: Names) -> ClassTable:
    """A class for every value that occurs, except 255, unnamed black among colours, and what is named as void.

    DataError where that makes no sense.
    """
    if not values:
        raise DataError("no label file could be read")
    forms = set(values) - {Form.TRAIN_IDS}
    if len(forms) != 1:
        raise DataError("some label files hold ids and others colours: write all of them in one form")
    form = forms.pop()
    counts = values[form]
    if form is Form.COLOURS:
        return _classes_of_colours(counts, names)
    return _classes_of_ids(counts, names)


def read_names(root: Path) -> Names:
    """The names of the classes from one of the usual files in the folder of the data."""
    path = next((root / name for name in _NAME_FILES if (root / name).is_file()), None)
    if path is None:
        return Names(None, {}, {})
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    of_colour = dict(filter(None, map(_read_colour, lines)))
    return Names(path, {} if of_colour else dict(enumerate(lines)), of_colour)


def classes_yaml(classes: ClassTable, name: str) -> str:
    """conf/data/classes/NAME.yaml"""
    table = classes.to_dict()
    lines = [f"# data={name}: proposed by task=prepare; change names and colours as you like, keep the order"]
    lines += ["_target_: icnet.data.labels.ClassTable", "names:", *(f"  - {_scalar(n)}" for n in table["names"])]
    if table["label_ids"] is not None:
        lines.append(f"label_ids: {table['label_ids']}")
    lines += [f"ignored_ids: {table['ignored_ids']}", "colors:", *(f"  - {color}" for color in table["colors"])]
    return "\n".join(lines) + "\n"


def data_yaml(name: str, layout: Mapping[str, object], settings: Mapping[str, object]) -> str:
    """conf/data/NAME.yaml. layout: its node; settings: of the data, by key."""
    lines = [f"# python run.py data={name}: proposed by task=prepare", "defaults:", "  - base", f"  - classes: {name}"]
    lines += [
        "  - _self_",
        f"name: {name}",
        "layout:",
        *(f"  {key}: {_scalar(value)}" for key, value in layout.items()),
    ]
    lines += [f"{key}: {_scalar(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def choose_crop(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The largest multiples of 32, up to CROP, that every frame has."""
    height, width = (max(min(CROP, min(side)) // 32 * 32, 32) for side in zip(*sizes, strict=True))
    return height, width


def _classes_of_ids(counts: Mapping[int, int], names: Names) -> ClassTable:
    void = sorted(value for value in counts if _is_void(names.of_id.get(value)))
    ids = sorted(value for value in counts if value != IGNORE and value not in void)
    if len(ids) < 2:
        raise DataError(
            f"the label files hold {sorted(counts)} alone, and 255 counts nowhere: a network needs two classes; "
            "write masks as 0 and 1"
        )
    contiguous = ids == list(range(len(ids)))
    named = [names.of_id.get(value, f"class_{value}") for value in ids]
    return ClassTable(_unique(named), [_voc_colour(value) for value in ids], None if contiguous else ids, void)


def _classes_of_colours(counts: Mapping[int, int], names: Names) -> ClassTable:
    if len(counts) >= BLENDED:
        raise DataError(
            f"the label files hold {len(counts)} colours or more: they were saved as JPEG or resized with blending; "
            "export them again as PNG"
        )
    black = names.of_colour.get(_BLACK)
    named_black = black is not None and not _is_void(black)
    colours = sorted((c for c in counts if c != _BLACK or named_black), key=lambda c: -counts[c])
    if len(colours) < 2:
        colours = sorted(counts)  # black and one colour: black is the other class
    if len(colours) < 2:
        raise DataError("the label files hold one colour alone: a network needs two classes")
    known = list(names.of_colour)
    colours.sort(key=lambda c: known.index(c) if c in known else len(known))
    named = [names.of_colour.get(c, "color_{:02x}{:02x}{:02x}".format(*unpack(c))) for c in colours]
    return ClassTable(_unique(named), [unpack(c) for c in colours])


def _is_void(name: str | None) -> bool:
    return name is not None and name.lower() in _VOID


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


def _voc_colour(value: int) -> tuple[int, int, int]:
    """The colour of an id in the palette of PASCAL VOC: its bits in turn to red, green and blue, the highest first."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (value >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


def _scalar(value: object) -> str:
    """JSON is YAML, too."""
    return json.dumps(value, ensure_ascii=False)
