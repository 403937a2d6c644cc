"""order.html: which frames to label next, and why these."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from icnet.report.pictures import Picture
from icnet.report.render import render, write_html
from icnet.report.values import percent

SHOWN = 60  # frames; the list has all
_ALIKE = 0.5  # of the distance of two frames drawn at random


class Ordered(NamedTuple):
    """A frame in its place.

    entropy, differing: as in `Doubt`; pair: the names of its classes. distance: as in `Choice`; nearest: place, from 1 on,
    and name of the frame that it resembles most.
    """

    picture: Picture
    entropy: float
    differing: float
    pair: tuple[str, str] | None
    distance: float | None
    nearest: tuple[int, str] | None


def write_order_page(folder: Path, shown: Sequence[Ordered], total: int, source: Path) -> Path:
    """Write folder/order.html. shown: the first ones; total: how many there are; source: the folder of the frames."""
    reasons = [say_reason(frame) for frame in shown]
    page = render(
        "order.html", shown=list(zip(shown, reasons, strict=True)), total=total, frames=source, name=source.name
    )
    return write_html(folder / "order.html", page)


def say_reason(frame: Ordered) -> str:
    """Why a frame stands where it stands."""
    about = "" if frame.pair is None else f", mostly {frame.pair[0]} or {frame.pair[1]}"
    doubt = f"The exits differ on {percent(frame.differing)} % of it{about}." if frame.differing else ""
    return f"{doubt} {_say_place(frame)}".strip()


def _say_place(frame: Ordered) -> str:
    if frame.nearest is None or frame.distance is None:
        return "The network is less sure of no other."
    place, name = frame.nearest
    if frame.distance >= 1:
        return "It is unlike all before it."
    how = "resembles" if frame.distance < _ALIKE else "somewhat resembles"
    return f"It {how} number {place}, {name}."
