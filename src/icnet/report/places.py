"""Where a network fails: its scores by the distance from boundaries and by the size of objects."""

from __future__ import annotations

import math

from icnet.metrics.segments import SIZE_LIMITS, SIZE_UNIT
from icnet.report.classes import score_table
from icnet.report.markup import EMPTY, TIMES, Html, is_number, paragraph, percent, tag
from icnet.report.run import Run


def places(run: Run) -> Html:
    """Both, side by side where there is room."""
    both = _by_distance(run) + _by_size(run)
    return tag("div", both, class_="pair") if both else EMPTY


def _by_distance(run: Run) -> Html:
    scores = run.nested("miou_by_distance")
    if not scores:
        return EMPTY
    known = {name: value for name, value in scores.items() if is_number(value)}
    words = (
        "Each labelled pixel belongs to a band by its distance from the nearest outline in the labels, where one class "
        "meets another; each band has a mean IoU of its own."
    )
    if len(known) > 1:
        first, best = next(iter(known)), max(known, key=known.__getitem__)
        words += f" Right at the outlines ({first}) it is {percent(known[first])} %; "
        words += f"highest {best}, {percent(known[best])} %."
    table = score_table("Distance", scores, (), {}, sort=False, absent="no pixel is there")
    return tag("div", tag("h3", "By distance from an outline") + paragraph(words) + table)


def _by_size(run: Run) -> Html:
    scores = run.nested("miou_by_size")
    if not scores:
        return EMPTY
    words = (
        "A segment is a connected region of one class; sizes are shares of the image's area"
        f"{_say_sides(run)}. Missed pixels count by the segment of the label, false ones by the predicted segment."
    )
    table = score_table("Size of the segment", scores, (), {}, sort=False, absent="no pixel is there")
    return tag("div", tag("h3", "By size of an object") + paragraph(words) + table)


def _say_sides(run: Run) -> str:
    size = run.protocol.get("image_size")
    if not (isinstance(size, list) and len(size) == 2 and all(is_number(side) for side in size)):
        return ""
    *most, last = (f"{math.sqrt(limit / SIZE_UNIT * size[0] * size[1]):.0f}" for limit in SIZE_LIMITS)
    return (
        f" (at {size[0]} {TIMES} {size[1]} the limits are squares of about {', '.join(most)} and {last} pixels a side)"
    )
