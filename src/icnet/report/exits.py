"""The exits of the cascade, each with score, time and work; and a network against another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from icnet.report.markup import (
    EMPTY,
    Html,
    is_interval,
    is_number,
    join,
    paragraph,
    percent,
    percent_within,
    prose,
    tag,
    text,
)
from icnet.report.plot import Dot, Frame, Line, plot
from icnet.report.run import Run

_MEANINGS = {
    "sub4": "1/4 branch",
    "sub24": "1/4 and 1/2",
    "sub124": "whole network",
}


def exits(run: Run) -> Html:
    """A table, and mIoU against milliseconds."""
    found = {name: value for name, value in run.nested("exits").items() if is_number(value.get("miou"))}
    if len(found) < 2:
        return EMPTY
    words = paragraph(_say_exits(found))
    return Html(words + tag("div", _table(found) + _plot(found), class_="pair"))


def comparison(run: Run) -> Html:
    """The difference from another checkpoint, in words."""
    found = run.nested("compare")
    difference, bounds = found.get("difference"), found.get("difference_interval")
    if not (is_number(difference) and is_interval(bounds) and is_number(found.get("miou"))):
        return EMPTY
    number = tag("strong", text(f"{100 * difference:+.1f} points ({100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f})"))
    low, high = bounds
    if low <= 0 <= high:
        verdict = (
            "The interval includes zero: on these images the two cannot be told apart. "
            "More images, or a larger difference, would decide."
        )
    else:
        judged = "better" if low > 0 else "worse"
        verdict = f"The interval excludes zero: this network is {judged}, by more than the choice of images explains."
    name = Path(str(found.get("checkpoint"))).as_posix()
    sentence = (
        prose(f"This network has {percent(run.metrics.get('miou', 0.0))} %, ") + tag("code", text(name))
        + prose(f" has {percent(found['miou'])} % on the same images. Difference in mIoU: ") + number + text(f". {verdict}")
    )  # fmt: skip
    note = "95 % interval, both networks on the same drawings of images: what makes an image hard for both cancels."
    return Html(tag("p", sentence) + paragraph(note, class_="quiet"))


def _say_exits(found: Mapping[str, Mapping[str, Any]]) -> str:
    words = "The cascade can stop early: an exit computes only the branches that it needs."
    (first, early), *_, (_, last) = found.items()
    if is_number(early.get("image_ms")) and is_number(last.get("image_ms")) and last["image_ms"] > 0:
        lower = 100 * (last["miou"] - early["miou"])
        words += (
            f" {first} takes {percent(early['image_ms'] / last['image_ms'])} % of the time of the whole network, "
            f"and its mIoU is {abs(lower):.1f} points {'lower' if lower >= 0 else 'higher'}."
        )
    return words


def _table(found: Mapping[str, Mapping[str, Any]]) -> Html:
    titles = ("Exit", "mIoU, %", "Time, ms", "Work, GMACs")
    head = tag("thead", tag("tr", join(tag("th", text(title), scope="col") for title in titles)))
    return tag(
        "div", tag("table", head + tag("tbody", join(map(_row, found.items()))), class_="numbers"), class_="scroll"
    )


def _row(item: tuple[str, Mapping[str, Any]]) -> Html:
    name, value = item
    meaning = tag("small", text(_MEANINGS.get(name, "")))
    cells = [percent_within(value["miou"], value.get("miou_interval"))]
    cells += [f"{value['image_ms']:.1f}" if is_number(value.get("image_ms")) else ""]
    cells += [f"{value['macs'] / 1e9:.2f}" if is_number(value.get("macs")) else ""]
    return tag("tr", tag("th", text(name) + meaning, scope="row") + "".join(tag("td", text(cell)) for cell in cells))


def _plot(found: Mapping[str, Mapping[str, Any]]) -> Html:
    timed = {name: value for name, value in found.items() if is_number(value.get("image_ms"))}
    if len(timed) < 2:
        return EMPTY
    xs, ys = [v["image_ms"] for v in timed.values()], [100 * v["miou"] for v in timed.values()]
    dots = [
        Dot(x, y, "var(--accent)", name, _bounds(value))
        for x, y, (name, value) in zip(xs, ys, timed.items(), strict=True)
    ]
    edges = [edge for dot in dots for edge in (dot.y, *(dot.bounds or ()))]
    room = max(1.0, 0.15 * (max(edges) - min(edges)))
    frame = Frame((0, 1.15 * max(xs)), (max(0.0, min(edges) - room), max(edges) + room), "ms per image", "mIoU, %")
    alt = "mIoU against milliseconds: " + "; ".join(f"{d.name} {d.y:.1f} % at {d.x:.1f} ms" for d in dots)
    return plot(frame, [Line(xs, ys, "var(--line-strong)")], dots, alt)


def _bounds(value: Mapping[str, Any]) -> tuple[float, float] | None:
    bounds = value.get("miou_interval")
    return (100 * bounds[0], 100 * bounds[1]) if is_interval(bounds) else None
