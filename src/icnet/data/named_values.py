"""Classes by the values of the label files: data.values, and what is proposed for values without a name."""

from __future__ import annotations

from collections.abc import Mapping

from icnet.data.labels import LARGEST, ClassTable, is_whole
from icnet.errors import ConfigError

_VOID_NAMES = ("void", "ignore", "ignored", "unlabeled", "unlabelled")


def read_values(values: Mapping[int, str], form: str | None = None) -> ClassTable:
    """The classes of data.values={0: background, 255: object}; values that are named void or ignore are ignored.

    form: as of `ClassTable`; None: ids.
    """
    if form == "colors":
        raise ConfigError("data.values names ids, and data.classes.form=colors reads colours: leave one of them out")
    if wrong := [value for value in values if not is_whole(value, LARGEST)]:
        raise ConfigError(
            f"data.values has {wrong}: name the values of the label files, as in {{0: background, 255: object}}"
        )
    names = {value: str(name) for value, name in values.items()}
    ids = sorted(value for value in names if not is_void(names[value]))
    void = sorted(names.keys() - set(ids))
    label_ids = None if ids == list(range(len(ids))) else ids
    return ClassTable([names[value] for value in ids], [voc_color(v) for v in ids], label_ids, void, form=form or "ids")


def is_void(name: str | None) -> bool:
    """Whether this is what people call pixels of no class."""
    return name is not None and name.lower() in _VOID_NAMES


def voc_color(value: int) -> tuple[int, int, int]:
    """The colour of an id in the palette of PASCAL VOC: its bits in turn to red, green and blue, the highest first."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (value >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]
