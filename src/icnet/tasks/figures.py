"""The figures of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from icnet.predict import Predictor
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.module import SegmentationModule
from icnet.visualize.curves import draw_losses, draw_miou
from icnet.visualize.history import read_history
from icnet.visualize.rows import Row, draw_rows
from icnet.visualize.scores import draw_class_iou, draw_confusion

ROWS = 4


def draw_figures(
    folder: Path, module: SegmentationModule, data: SegmentationDataModule, metrics: Mapping[str, Any], matrix: Tensor
) -> None:
    """Curves, scores per class, confusions and rows of image / label / prediction, as folder/figures/*.png."""
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    draw_rows(choose_rows(module, data), data.classes, figures / "rows.png")
    draw_class_iou(metrics["iou"], data.classes, figures / "class_iou.png")
    draw_confusion(matrix.cpu().numpy(), data.classes.names, figures / "confusion.png")
    if (folder / "metrics.csv").is_file():
        history = read_history(folder / "metrics.csv")
        draw_losses(history, figures / "losses.png")
        draw_miou(history, figures / "miou.png")


def choose_rows(module: SegmentationModule, data: SegmentationDataModule) -> list[Row]:
    """Frames spread evenly over the validation split, with what the network makes of them."""
    predictor = Predictor(module.net, module.normalize)
    frames = data.val_set
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(ROWS, len(frames))).round().astype(int))
    rows = []
    for index in chosen.tolist():
        image, label = (t.numpy() for t in frames[index])
        rows.append(Row(image, label, predictor(image), frames.samples[index].image.stem))
    return rows
