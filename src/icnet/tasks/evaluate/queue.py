"""queue.json and queue.html of a run: the regions whose labels are doubted most, as a person looks at them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from icnet.data.answers import checksum, name_frame
from icnet.data.formats.runs import encode_runs
from icnet.data.judged import JudgedDataset
from icnet.data.labels import ClassTable
from icnet.errors import ConfigError
from icnet.metrics.disagreement import Disagreements, Region
from icnet.report.pictures import embed_pixels
from icnet.report.queue import write_queue
from icnet.training.datamodule import SegmentationDataModule
from icnet.training.evaluation import Evaluation
from icnet.visualize.colors import colorize
from icnet.visualize.rows import Row, mark_ignored

log = logging.getLogger(__name__)

_LONGEST = 720  # rows or columns of a picture
_QUALITY, _LOSSLESS = 85, 101  # of WebP, as OpenCV counts


def open_queue(task: DictConfig, classes: ClassTable) -> Disagreements | None:
    """For task.queue=N; None where nobody asked."""
    if task.get("queue") is None:
        if task.get("queue_pixels") is not None:
            raise ConfigError("task.queue_pixels is of a queue: add task.queue=50, or leave it out")
        return None
    for key in ("queue", "queue_pixels"):
        if task[key] is not None and (type(task[key]) is not int or task[key] < 1):
            raise ConfigError(f"task.{key} is {task[key]!r}: give a whole number of at least 1")
    return Disagreements(task.queue, task.queue_pixels, len(classes))


def save_queue(
    folder: Path, task: DictConfig, result: Evaluation, frames: JudgedDataset, data: SegmentationDataModule
) -> None:
    """Write what was queued, where anybody asked for it."""
    if task.get("queue") is None:
        return
    classes = data.classes
    regions = [_describe(region, frames, data.root, classes) for region in result.queue]
    told = [{key: value for key, value in region.items() if key != "pictures"} for region in regions]
    about = {
        "queue": hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16],
        "data": data.name,
        "root": os.path.abspath(data.root),
        "split": data.judged_split,
        "frames": len(frames),
        "most": task.queue,
        "classes": list(classes.names),
        "colors": [list(color) for color in classes.colors],
    }
    page = write_queue(folder, about | {"regions": regions})
    log.info("%d regions whose labels are doubted most: %s", len(regions), page)


def _describe(region: Region, frames: JudgedDataset, root: Path, classes: ClassTable) -> dict[str, Any]:
    """An entry of the queue. box, window: [top, left, height, width], of the region and of what is shown."""
    image, label = (part.numpy() for part in frames[region.place][:2])
    rows, columns = region.rows, region.columns
    shown = Row(image[rows, columns], label[rows, columns], region.predicted, "").shrink(_LONGEST)
    present = np.unique(np.concatenate([shown.label.ravel(), [region.prediction]]))
    return {
        "frame": name_frame(frames.frames.samples[region.place].image, root),
        "size": list(label.shape),
        "checksum": checksum(label),
        "label": classes.names[region.label],
        "prediction": classes.names[region.prediction],
        "pixels": region.pixels,
        "confidence": round(region.confidence, 6),
        "box": [region.top, region.left, *region.mask.shape],
        "runs": encode_runs(region.mask),
        "window": [rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start],
        "seen": [classes.names[i] for i in present if i < len(classes)],
        "pictures": {
            "image": embed_pixels(shown.image, _QUALITY),
            "label": embed_pixels(mark_ignored(colorize(shown.label, classes), shown.label), _LOSSLESS),
            "prediction": embed_pixels(colorize(shown.prediction, classes), _LOSSLESS),
        },
    }
