"""The confusion matrix of a run: confusion.csv, and what is most often taken for what, in words and as a heat map."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icnet.errors import DataError
from icnet.files import writing
from icnet.report.markup import EMPTY, Html, join, paragraph, percent, prose, swatch, tag, text
from icnet.report.run import Run
from icnet.visualize.scores import share_of_labels

FILE = "confusion.csv"
_CORNER = "labelled \\ predicted"
_STRONGEST, _WEAKEST_TOLD = 5, 0.01  # confusions that are told; below this share of a class they are not worth a line
_MOST_CLASSES = 40  # more cells than that nobody reads: figures/confusion.png has them
_SMALLEST_NUMBER = 0.5  # per cent; below it a cell would say 0
_DARK = 65  # per cent of the full shade: from here on, numbers stand in the colour of the paper


class Confusion(NamedTuple):
    """counts: (label, prediction) int64."""

    names: Sequence[str]
    counts: npt.NDArray[np.int64]


def write_confusion(folder: Path, counts: npt.NDArray[np.int64], names: Sequence[str]) -> None:
    """Write folder/confusion.csv: a row for each labelled class, a column for each predicted one."""
    with writing(folder / FILE) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([_CORNER, *names])
        table.writerows([name, *row] for name, row in zip(names, counts.tolist(), strict=True))


def read_confusion(folder: Path) -> Confusion | None:
    """folder/confusion.csv; None where there is none."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        counts = np.array([[int(cell) for cell in row[1:]] for row in rows], np.int64)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{path} is no table of counts ({error}): run the task again") from error
    if counts.shape != (len(head) - 1, len(head) - 1):
        raise DataError(f"{path} is not square, a row and a column for each class: run the task again")
    return Confusion(head[1:], counts)


def confusions(run: Run) -> Html:
    """Which classes are taken for which others."""
    found = read_confusion(run.folder)
    if found is None or not found.counts.any():
        return EMPTY
    told = list(say_strongest(found))
    lead = " The strongest confusions, by the share of a class that is lost to another:" if told else ""
    words = paragraph(say_costliest(found) + lead) + (
        tag("ul", join(tag("li", prose(line)) for line in told)) if told else ""
    )
    return Html(words + (_heat_map(found, run) if len(found.names) <= _MOST_CLASSES else _too_many(found)))


def say_strongest(found: Confusion) -> Iterator[str]:
    """The largest shares of a class that went to one other."""
    share = share_of_labels(found.counts.astype(np.float64)) / 100
    np.fill_diagonal(share, 0)
    order = np.argsort(-np.nan_to_num(share), axis=None, kind="stable")[:_STRONGEST]
    for true, taken in zip(*np.unravel_index(order, share.shape), strict=True):
        if share[true, taken] >= _WEAKEST_TOLD:
            yield f"{percent(share[true, taken])} % of the {found.names[true]} pixels became {found.names[taken]}."


def say_costliest(found: Confusion) -> str:
    """The confusion that most of the wrong pixels come from."""
    errors = found.counts - np.diag(found.counts.diagonal())
    wrong = int(errors.sum())
    if not wrong:
        return "No pixel is wrong."
    true, taken = divmod(int(errors.argmax()), len(errors))
    return (
        f"{percent(wrong / found.counts.sum())} % of the labelled pixels are wrong; the largest part of these, "
        f"{percent(errors.max() / wrong)} %, is {found.names[true]} taken for {found.names[taken]}."
    )


def _heat_map(found: Confusion, run: Run) -> Html:
    share = share_of_labels(found.counts.astype(np.float64))
    columns = join(tag("th", tag("span", text(name)), scope="col") for name in found.names)
    head = tag("thead", tag("tr", tag("td", "") + columns))
    rows = join(
        tag("tr", tag("th", swatch(run.colors.get(name)) + tag("span", text(name)), scope="row") + _cells(row))
        for name, row in zip(found.names, share, strict=True)
    )
    caption = tag(
        "figcaption",
        "A row holds all pixels that people gave to one class; its cells say, in whole per cent, which classes the network "
        "saw there. The diagonal is right. Shares below one half of a per cent have no number; shades follow the square "
        "root, so that small shares show.",
    )
    size = "heat many" if len(found.names) > 12 else "heat"
    return tag("figure", tag("div", tag("table", head + tag("tbody", rows), class_=size), class_="scroll") + caption)


def _cells(shares: npt.NDArray[np.float64]) -> str:
    if np.isnan(shares).all():
        return tag("td", "no labelled pixel", colspan=len(shares), class_="none")
    return "".join(_cell(share) for share in shares.tolist())


def _cell(share: float) -> Html:
    shade = round(10 * math.sqrt(share))
    number = f"{share:.0f}" if share >= _SMALLEST_NUMBER else ""
    if not shade:
        return tag("td", number)
    kind = {"class_": "dark"} if shade >= _DARK else {}
    return tag("td", number, style=f"--s:{shade}%", **kind)


def _too_many(found: Confusion) -> Html:
    return paragraph(f"The matrix of all {len(found.names)} classes is in {FILE} and figures/confusion.png.")
