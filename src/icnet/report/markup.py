"""Small pieces of HTML, and values as people write them. Everything that is not a tag of ours gets escaped here."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NewType, TypeGuard

Html = NewType("Html", str)
EMPTY = Html("")
TIMES = "\N{MULTIPLICATION SIGN}"
_SPELLED = {"macs": "MACs", "sha256": "SHA-256"}
_GREY = (150, 156, 164)
_LONG = 24  # characters; longer words (checksums, paths) may break anywhere


def text(value: object) -> Html:
    """Any value as harmless text."""
    return Html(html.escape(str(value)))


def tag(name: str, content: str, /, **attributes: object) -> Html:
    """`content` is HTML already; attributes get escaped (class_ stands for class, aria_label for aria-label)."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{written}>{content}</{name}>")


def paragraph(words: str, **attributes: object) -> Html:
    """Plain words as a paragraph."""
    return tag("p", prose(words), **attributes)


def prose(words: str) -> Html:
    """Plain words; a number stays on one line with its per cent sign."""
    return Html(text(words).replace(" %", "\N{NO-BREAK SPACE}%"))


def join(parts: Iterable[str]) -> Html:
    """The parts that are not empty, a line each."""
    return Html("\n".join(part for part in parts if part))


def section(title: str, content: str, *, anchor: str = "") -> Html:
    """A part of the page under its heading; nothing where there is no content. anchor: what links to it name."""
    named = {"id": anchor} if anchor else {}
    return tag("section", join([tag("h2", text(title)), content]), **named) if content else EMPTY


def swatch(color: tuple[int, int, int] | None) -> Html:
    """A small square in the colour of a class; grey where it has none."""
    return tag("i", "", class_="swatch", style=f"background:{shade(color)}")


def shade(color: tuple[int, int, int] | None) -> str:
    """(red, green, blue) as CSS writes it; grey where there is none."""
    red, green, blue = color or _GREY
    return f"rgb({red} {green} {blue})"


def table_of(values: Mapping[str, object], head: str = "") -> Html:
    """Nested plain data as rows of key and value; the keys of a mapping inside stand under its own."""
    rows = (tag("tr", tag("th", text(key), scope="row") + tag("td", value)) for key, value in _flat(values))
    body = join(rows)
    return (
        tag("table", (tag("caption", text(head)) if head else "") + tag("tbody", body), class_="facts")
        if body
        else EMPTY
    )


def percent(ratio: float) -> str:
    """A ratio in 0..1 as per cent with one decimal, without the sign."""
    return f"{100 * ratio:.1f}"


def percent_within(ratio: float, bounds: object) -> str:
    """56.6 (55.5 to 57.6): per cent, with the bounds of the interval where they are known."""
    return f"{percent(ratio)} ({say_bounds(bounds)})" if is_interval(bounds) else percent(ratio)


def say_bounds(bounds: Sequence[float]) -> str:
    """55.5 to 57.6."""
    return f"{percent(bounds[0])} to {percent(bounds[1])}"


def is_interval(value: object) -> TypeGuard[Sequence[float]]:
    """Two finite numbers."""
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


def _flat(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, Html]]:
    for key, value in values.items():
        label = above + _SPELLED.get(str(key), str(key).replace("_", " "))
        if isinstance(value, Mapping):
            yield from _flat(value, f"{label} · ")
        else:
            yield label, _plain(value, is_size=label.endswith("size"))


def _plain(value: object, *, is_size: bool = False) -> Html:
    if value is None:
        return tag("span", "none", class_="quiet")
    if isinstance(value, bool):
        return text("yes" if value else "no")
    if isinstance(value, int):
        return text(_whole(value))
    if isinstance(value, float):
        return text(f"{value:g}")
    if isinstance(value, list | tuple):
        return Html((" &times; " if is_size else ", ").join(_plain(part) for part in value)) or text("none")
    return tag("code", text(value)) if len(str(value)) > _LONG and " " not in str(value) else text(value)


def _whole(value: int) -> str:
    """Thousands set apart from five digits on (a seed or a year reads better without), and large ones in short too."""
    if abs(value) < 10_000:
        return str(value)
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if abs(value) >= size:
            return f"{value:,} ({value / size:.2f} {unit})"
    return f"{value:,}"
