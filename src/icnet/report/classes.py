"""Scores by class and by category, best first, as tables with bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from icnet.report.markup import EMPTY, Html, is_number, join, paragraph, percent, shade, swatch, tag, text
from icnet.report.run import Run

_Scores = Mapping[str, float | None]


class Column(NamedTuple):
    """One more score beside the IoU."""

    title: str
    scores: _Scores


def classes(run: Run) -> Html:
    """Every class with its colour, its IoU and what else is known of it."""
    boundary = run.nested("boundary")
    columns = [
        Column("Boundary IoU", boundary.get("iou_of") or {}),
        Column("Boundary F", boundary.get("f_score_of") or {}),
        Column("iIoU", run.nested("iiou_of")),
    ]
    table = score_table("Class", run.iou, columns, run.colors)
    if not (table and boundary):
        return table
    words = "Boundary IoU and boundary F judge the outlines alone"
    words += "; iIoU lets each object weigh the same, however large it is" if run.nested("iiou_of") else ""
    return Html(table + paragraph(f"{words}. The section Further scores says how.", class_="quiet"))


def categories(run: Run) -> Html:
    """The same for the groups of classes."""
    return score_table("Category", run.nested("category_iou"), [Column("iIoU", run.nested("category_iiou_of"))], {})


def score_table(
    head: str,
    scores: _Scores,
    columns: Sequence[Column],
    colors: Mapping[str, tuple[int, int, int]],
    *,
    sort: bool = True,
    absent: str = "neither labelled nor predicted",
) -> Html:
    """A row for each name: its score in per cent, a bar of it, the further columns that hold anything.

    absent: said where there is no score.
    """
    if not scores:
        return EMPTY
    shown = [column for column in columns if any(is_number(score) for score in column.scores.values())]
    titles = [tag("th", text(f"{column.title}, %"), scope="col") for column in shown]
    top = tag("tr", tag("th", text(head), scope="col") + tag("th", "IoU, %", scope="col") + _hidden() + "".join(titles))
    names = sorted(scores, key=lambda name: -_or_less(scores[name])) if sort else list(scores)
    rows = (_row(name, scores[name], [c.scores.get(name) for c in shown], colors, absent) for name in names)
    table = tag("table", tag("thead", top) + tag("tbody", join(rows)), class_="classes")
    return tag("div", table, class_="scroll")


def _row(
    name: str,
    score: float | None,
    others: Sequence[float | None],
    colors: Mapping[str, tuple[int, int, int]],
    absent: str,
) -> Html:
    color = colors.get(name)
    head = tag("th", (swatch(color) if colors else "") + text(name), scope="row")
    rest = "".join(tag("td", _show(other)) for other in others)
    if not is_number(score):
        return tag("tr", head + tag("td", "absent") + tag("td", text(absent)) + rest, class_="quiet")
    fill = shade(color) if colors else "var(--accent)"
    bar = tag("div", tag("i", "", style=f"width:{percent(score)}%;background:{fill}"), class_="bar")
    return tag("tr", head + tag("td", percent(score)) + tag("td", bar) + rest)


def _hidden() -> Html:
    """The head of a column of bars is for those who do not see them."""
    return tag("th", tag("span", "as a bar", class_="unseen"), scope="col")


def _show(score: Any) -> Html:
    return text(percent(score)) if is_number(score) else tag("span", "\N{EN DASH}", class_="quiet")


def _or_less(score: float | None) -> float:
    return score if is_number(score) else -1.0
