"""What training and evaluation share: judge frames, time the engine where it judged them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from icnet.data.judged import JudgedDataset
from icnet.deploy.speed import measure_image_ms
from icnet.engines.engine import Engine
from icnet.errors import ICNetError
from icnet.tasks.evaluate.scores import summarize_exit
from icnet.tasks.setup.trainer import is_out_of_memory
from icnet.training.evaluation import Evaluation, judge


def judge_frames(
    trainer: pl.Trainer,
    main: Engine | None,
    others: Mapping[str, Engine],
    frames: JudgedDataset,
    num_workers: int | None,
) -> Evaluation:
    """`judge`, which too little memory ends with what to make smaller."""
    try:
        return judge(trainer, main, others, frames, num_workers)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise ICNetError(
            "out of memory at the size of the frames: judge them smaller (task.size), at fewer scales (task.scales), or by "
            "a sliding window (task.window)"
        ) from error


def other_exits(engine: Engine) -> dict[str, Engine]:
    """Engines of the exits at which this one does not end."""
    return {name: engine.at(name) for name in engine.exits if name != engine.card.exit}


def measure_exits(engine: Engine, result: Evaluation, frames: JudgedDataset) -> dict[str, Any]:
    """Milliseconds from one frame to its label map; where other exits were scored, score, time and work of each.

    Called by one process alone, after all have judged: nothing else then runs on its device.
    """
    frame = frames[0].image
    engines = {name: engine.at(name) for name in engine.exits if name == engine.card.exit or name in result.others}
    times = {name: measure_image_ms(each, frame) for name, each in engines.items()}
    image_ms = times[engine.card.exit]
    if len(engines) == 1:
        return {"image_ms": image_ms}
    size = (int(frame.shape[0]), int(frame.shape[1]))
    exits = {
        name: summarize_exit(result.others.get(name, result.matrices))
        | {"image_ms": times[name], "macs": each.count_macs(size)}
        for name, each in engines.items()
    }
    return {"image_ms": image_ms, "exits": exits}


def describe_timing(engine: Engine, frames: JudgedDataset) -> dict[str, Any]:
    """What makes image_ms comparable."""
    height, width, _ = frames[0].image.shape
    return {
        "what": "the median of 5 after a warm-up, from one frame in memory to its label map",
        "image_size": [height, width],
        "precision": engine.card.precision,
        "device": str(engine.device),
    }
