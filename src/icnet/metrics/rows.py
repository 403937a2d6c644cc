"""A metric whose state is rows of whole numbers, one for each thing that was seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat


class RowMetric(Metric):
    """Keeps int64 rows (things, width), and gathers those of all processes, in no certain order.

    A list that is never empty: for a process that saw no image torchmetrics would send an empty tensor of floats, which
    does not fit the others.
    """

    full_state_update = False
    rows: list[Tensor] | Tensor

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.add_state("rows", [], dist_reduce_fx="cat")
        self._begin()

    def reset(self) -> None:
        super().reset()
        self._begin()

    def append(self, rows: Tensor) -> None:
        """rows: (things, width)."""
        assert isinstance(self.rows, list)  # torchmetrics refuses updates while the rows are gathered
        self.rows.append(rows.to(self.device, torch.int64))

    def table(self) -> Tensor:
        """All rows (things, width)."""
        return dim_zero_cat(self.rows)

    def _begin(self) -> None:
        self.append(torch.empty(0, self.width))
