"""metrics.csv: one row per logged step, whatever was logged at it."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only


class CSVLogger(Logger):
    """Writes folder/metrics.csv. Training and validation values of one step share a row; the file is always whole."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.path = Path(folder) / "metrics.csv"
        self.rows: dict[int, dict[str, float]] = {}

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The settings are in .hydra/config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        row = self.rows.setdefault(int(step or 0), {})
        row.update({name: float(value) for name, value in metrics.items()})

    @rank_zero_only
    def save(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row if name != "epoch"))
        part = self.path.with_suffix(".csv.part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["step", "epoch", *columns], restval="")
            writer.writeheader()
            for step, row in sorted(self.rows.items()):
                shown = {name: f"{value:.8g}" for name, value in row.items()}
                writer.writerow({**shown, "step": step, "epoch": int(row.get("epoch", 0))})
        os.replace(part, self.path)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self.rows:
            self.save()
