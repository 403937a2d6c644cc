"""What training and evaluation share: the exits of an engine, timed where it judged frames."""

from __future__ import annotations

from typing import Any

from icnet.data.judged import JudgedDataset
from icnet.deploy.speed import measure_image_ms
from icnet.engines.engine import Engine
from icnet.tasks.evaluate.scores import summarize_exit
from icnet.training.evaluation import Evaluation


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
