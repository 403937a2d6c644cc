"""Values as people write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeGuard

TIMES = "\N{MULTIPLICATION SIGN}"
_SPELLED = {"macs": "MACs", "sha256": "SHA-256"}
_GREY = (150, 156, 164)
_LONG = 24  # characters; longer words (checksums, paths) are set as code


class Fact(NamedTuple):
    """A row of a table of key and value. kind: quiet, code, or nothing in particular."""

    label: str
    words: str
    kind: str


def flatten(values: Mapping[str, object], above: str = "") -> Iterator[Fact]:
    """Nested plain data row by row; the keys of a mapping inside stand under its own."""
    for key, value in values.items():
        label = above + (key if {".", "="} & {*key} else _SPELLED.get(key, key.replace("_", " ")))  # a setting stays
        if isinstance(value, Mapping):
            yield from flatten(value, f"{label} · ")
        else:
            words = _plain(value, f" {TIMES} " if label.endswith("size") else ", ")
            is_code = len(words) > _LONG and " " not in words
            yield Fact(label, words, "quiet" if value is None else "code" if is_code else "")


def percent(ratio: float, digits: int = 1) -> str:
    """A ratio as per cent, without their sign; what rounds to nothing is 0.0, never -0.0."""
    return f"{round(100 * ratio, digits) + 0.0:.{digits}f}"  # a sum: -0.0 + 0.0 is 0.0


def say_bounds(interval: Sequence[float], digits: int = 1) -> str:
    """55.5 to 57.6, in per cent."""
    return f"{percent(interval[0], digits)} to {percent(interval[1], digits)}"


def is_pair(value: object) -> TypeGuard[Sequence[float]]:
    """Two finite numbers, such as the bounds of an interval."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(is_number(bound) for bound in value)


def is_number(value: object) -> TypeGuard[float]:
    """A finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def duration(seconds: float) -> str:
    """3 h 12 min, 4 min 10 s, 8.3 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def say_count(number: int, noun: str = "") -> str:
    """1,234; 1 image; 1,234 images."""
    return f"{number:,}" + (f" {noun}" + ("s" if number != 1 else "") if noun else "")


def rgb(color: Sequence[int] | None) -> str:
    """(red, green, blue) as CSS writes it; grey where there is none."""
    red, green, blue = color or _GREY
    return f"rgb({red} {green} {blue})"


def rank(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """Best first; what has no score comes last."""
    return dict(sorted(scores.items(), key=lambda item: -(item[1] if is_number(item[1]) else -1.0)))


def filled(columns: Mapping[str, Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """Those that hold a number."""
    return {title: column for title, column in columns.items() if any(map(is_number, column.values()))}


def _plain(value: object, between: str) -> str:
    """between: what separates the parts of a list."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return f"{value + 0.0:g}"  # 0, never -0
    if isinstance(value, list | tuple):
        return between.join(_plain(part, between) for part in value) or "none"
    return str(value)


def _whole(value: int) -> str:
    """Thousands set apart from five digits on (a seed or a year reads better without), and large ones in short too."""
    if abs(value) < 10_000:
        return str(value)
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if abs(value) >= size:
            return f"{value:,} ({value / size:.2f} {unit})"
    return f"{value:,}"
