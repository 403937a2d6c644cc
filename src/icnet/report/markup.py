"""Small pieces of HTML, and values as people write them. Everything that is not a tag of ours gets escaped here."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NewType, TypeGuard

Html = NewType("Html", str)
EMPTY = Html("")
_SPELLED = {"macs": "MACs", "sha256": "SHA-256"}
_LONG = 24  # characters; longer words (checksums, paths) may break anywhere


def text(value: object) -> Html:
    """Any value as harmless text."""
    return Html(html.escape(str(value)))


def tag(name: str, content: str, /, **attributes: object) -> Html:
    """`content` is HTML already; attributes get escaped (class_ stands for class)."""
    written = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{written}>{content}</{name}>")


def join(parts: Iterable[str]) -> Html:
    return Html("\n".join(part for part in parts if part))


def section(title: str, content: str) -> Html:
    """A part of the page under its heading; nothing where there is no content."""
    return tag("section", join([tag("h2", text(title)), content])) if content else EMPTY


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
