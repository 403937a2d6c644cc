"""logger=tensorboard: curves, rows of examples, the confusion matrix and the configuration in TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from icnet.data.labels import ClassTable
from icnet.errors import ConfigError
from icnet.tracking.tracker import RunResult
from icnet.visualize.rows import Row, build_rows
from icnet.visualize.scores import build_confusion
from icnet.visualize.style import render_figure


class TensorBoardTracker(TensorBoardLogger):
    """Lightning's logger for TensorBoard, with pictures and the configuration, in folder/tensorboard."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        try:
            super().__init__(save_dir=folder, name="tensorboard", version="", default_hp_metric=False)
        except ModuleNotFoundError as error:
            raise ConfigError(
                'logger=tensorboard needs the package tensorboard: pip install -c constraints.txt -e ".[tensorboard]"'
            ) from error
        self._config = config

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """step: as Lightning counts, which is one less than the steps that are done."""
        super().log_metrics(metrics, None if step is None else step + 1)
        self.experiment.flush()  # a killed process loses nothing

    def go_on(self, step: int) -> None:
        """Have TensorBoard forget what an earlier process logged after the checkpoint."""
        self.experiment.close()
        self.experiment.purge_step = step + 1  # the next file begins with it
        self.experiment.add_text("config", to_text(self._config))

    def log_rows(self, rows: Sequence[Row], classes: ClassTable, step: int) -> None:
        self._log_figure("val/examples", build_rows(rows, classes), step)

    def log_result(self, result: RunResult, step: int) -> None:
        """The confusion matrix, and the configuration with the best score for the page of hyperparameters."""
        if result.matrix is not None:
            self._log_figure("confusion", build_confusion(result.matrix, result.class_names), step)
        self.experiment.add_text("protocol", to_text(result.protocol), step)
        self.log_hyperparams(dict(self._config), result.best, step - 1)
        self.finalize("success")

    def _log_figure(self, tag: str, figure: Any, step: int) -> None:
        self.experiment.add_image(tag, render_figure(figure), step, dataformats="HWC")
        self.experiment.flush()


def to_text(content: Mapping[str, Any]) -> str:
    """YAML as a block of Markdown."""
    return f"```yaml\n{yaml.safe_dump(dict(content), sort_keys=False)}```"
