"""The confusion matrix of a run: confusion.csv, and what is most often taken for what, in words and as a heat map."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icnet.errors import DataError
from icnet.files import writing
from icnet.report.values import percent
from icnet.visualize.scores import share_of_labels

FILE = "confusion.csv"
_CORNER = "labelled \\ predicted"
_STRONGEST, _WEAKEST_TOLD = 5, 0.01  # confusions that are told; below this share of a class they are not worth a line


class Confusion(NamedTuple):
    """counts: (label, prediction) int64."""

    names: Sequence[str]
    counts: npt.NDArray[np.int64]

    def shares(self) -> Iterator[tuple[str, list[float]]]:
        """Each class with what became of its labelled pixels, in per cent; NaN for a class without any."""
        return zip(self.names, share_of_labels(self.counts.astype(np.float64)).tolist(), strict=True)

    def say_strongest(self) -> Iterator[str]:
        """The largest shares of a class that went to one other."""
        share = share_of_labels(self.counts.astype(np.float64)) / 100
        np.fill_diagonal(share, 0)
        order = np.argsort(-np.nan_to_num(share), axis=None, kind="stable")[:_STRONGEST]
        for true, taken in zip(*np.unravel_index(order, share.shape), strict=True):
            if share[true, taken] >= _WEAKEST_TOLD:
                yield f"{percent(share[true, taken])} % of the {self.names[true]} pixels became {self.names[taken]}."

    def say_costliest(self) -> str:
        """The confusion that most of the wrong pixels come from."""
        errors = self.counts - np.diag(self.counts.diagonal())
        wrong = int(errors.sum())
        if not wrong:
            return "No pixel is wrong."
        true, taken = divmod(int(errors.argmax()), len(errors))
        return (
            f"{percent(wrong / self.counts.sum())} % of the labelled pixels are wrong; the largest part of these, "
            f"{percent(errors.max() / wrong)} %, is {self.names[true]} taken for {self.names[taken]}."
        )


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
