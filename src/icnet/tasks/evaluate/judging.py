"""What training and evaluation share: judge frames, time the network where it judged them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from icnet.data.judged import JudgedDataset
from icnet.deploy.measure import count_macs, measure_image_ms
from icnet.errors import ICNetError
from icnet.model.icnet import CascadeLogits, ICNet
from icnet.predict import Predictor
from icnet.tasks.evaluate.scores import summarize_exit
from icnet.tasks.setup.trainer import is_out_of_memory
from icnet.training.evaluation import Evaluation, judge


def judge_frames(
    trainer: pl.Trainer,
    main: Predictor | None,
    others: Mapping[str, Predictor],
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


def measure_exits(net: ICNet, exit: str, result: Evaluation, size: tuple[int, int]) -> dict[str, Any]:
    """Milliseconds of a forward pass of one image; where other exits were scored, score, time and work of each."""
    stages = [name for name in CascadeLogits._fields if name == exit or name in result.others]
    times = {name: measure_image_ms(net.exit_at(name), size) for name in stages}
    if len(stages) == 1:
        return {"image_ms": times[exit]}
    exits = {
        name: summarize_exit(result.others.get(name, result.matrices))
        | {"image_ms": times[name], "macs": count_macs(net.exit_at(name), size)}
        for name in stages
    }
    return {"image_ms": times[exit], "exits": exits}
