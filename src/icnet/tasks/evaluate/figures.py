"""The figures of a training run and of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from icnet.data.images import read_image
from icnet.data.judged import JudgedDataset
from icnet.data.labels import ClassTable
from icnet.data.subset import spread
from icnet.engines.engine import Engine
from icnet.metrics.confusion import mean_iou
from icnet.predict import Predictor
from icnet.report.confusion import write_confusion
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import Evaluation
from icnet.visualize.curves import draw_losses, draw_miou
from icnet.visualize.examples import write_examples
from icnet.visualize.history import read_history
from icnet.visualize.rows import Row, draw_rows
from icnet.visualize.scores import draw_class_iou, draw_confusion

ROWS = 4
EXAMPLES = 10  # the worst and the typical frames of an evaluation


def draw_training(folder: Path, data: SegmentationDataModule, engine: Engine) -> None:
    """What a training run has beside its evaluation: curves, and rows of image / label / prediction, in folder/figures."""
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    draw_rows(choose_rows(Predictor(engine), data), data.classes, figures / "rows.png")
    if (folder / "metrics.csv").is_file():
        history = read_history(folder / "metrics.csv")
        draw_losses(history, figures / "losses.png")
        draw_miou(history, figures / "miou.png")


def choose_rows(predictor: Predictor, data: SegmentationDataModule) -> list[Row]:
    """Frames spread evenly over the validation split, with what the network makes of them."""
    frames = data.val_set
    rows = []
    for index in spread(len(frames), ROWS):
        image, label = (t.numpy() for t in frames[index])
        rows.append(Row(image, label, predictor(image), frames.samples[index].image.stem))
    return rows


def draw_evaluation(
    folder: Path,
    frames: JudgedDataset,
    result: Evaluation,
    metrics: Mapping[str, Any],
    engine: Engine | None,
) -> None:
    """Scores per class, confusions, and rows of the worst and of typical frames, as folder/figures/*.png.

    Beside them what the report draws itself: confusion.csv and examples/.
    engine: None where the frames hold label maps in place of images.
    """
    classes = frames.frames.classes
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    _draw_scores(folder, metrics, result.matrix, classes)
    predictor = None if engine is None else Predictor(engine)
    chosen = choose_examples(result.matrices)
    groups = {name: [read_row(frames, i, predictor) for i in indices] for name, indices in chosen.items() if indices}
    for name, rows in groups.items():
        draw_rows(rows, classes, figures / f"{name}.png", errors=True)
    write_examples(folder, groups, classes)


def choose_examples(matrices: Tensor) -> dict[str, list[int]]:
    """Frames by their own mIoU: the lowest ones, and those nearest to the median. No frame is in both.

    Of few frames a third are the worst, so that the typical ones still lie in the middle.
    """
    scores = np.array([mean_iou(matrix) for matrix in matrices])
    order = [int(i) for i in np.argsort(scores, kind="stable") if scores[i] == scores[i]]
    count = min(EXAMPLES, max(1, len(order) // 3))
    middle = max(count, (len(order) - count) // 2)
    return {"worst": order[:count], "typical": order[middle : middle + count]}


def read_row(frames: JudgedDataset, index: int, predictor: Predictor | None) -> Row:
    """A frame with its label and what was judged."""
    shown, label = frames[index].image.numpy(), frames[index].label.numpy()
    image_file = frames.frames.samples[index].image
    if predictor is None:
        return Row(read_image(image_file), label, shown, image_file.stem)
    return Row(shown, label, predictor(shown), image_file.stem)


def _draw_scores(folder: Path, metrics: Mapping[str, Any], matrix: Tensor, classes: ClassTable) -> None:
    counts = matrix.cpu().numpy()
    draw_class_iou(metrics["iou"], classes, folder / "figures" / "class_iou.png")
    draw_confusion(counts, classes.names, folder / "figures" / "confusion.png")
    write_confusion(folder, counts, classes.names)
