"""task.order=true: which frames of the source to label next, as a list and a page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from icnet.data.images import Pixels, read_image
from icnet.data.order import Choice, Floats, order_frames
from icnet.data.sources import Picture
from icnet.engines.engine import Engine
from icnet.engines.pytorch import TorchEngine
from icnet.errors import ConfigError
from icnet.files import writing
from icnet.metrics.doubt import Doubt, measure_doubt
from icnet.model.layers import Resize
from icnet.report.order import SHOWN, Ordered, write_order_page
from icnet.report.pictures import embed_frame

log = logging.getLogger(__name__)


class Looker:
    """Label maps of frames, as `Predictor` gives them; keeps some hundred numbers of each frame, by which it is ordered."""

    def __init__(self, engine: Engine) -> None:
        if not isinstance(engine, TorchEngine):
            raise ConfigError(
                "task.order=true looks at the exits of a checkpoint, with frames as they are: give "
                "ckpt=RUN/checkpoints/best.ckpt, and leave task.size, scales, flip and window out"
            )
        self.engine, self.resize = engine, Resize(engine.card.align_corners)
        self.doubts: list[Doubt] = []
        self.features: list[Floats] = []

    def __call__(self, frame: Pixels) -> Pixels:
        look = self.engine.look(torch.from_numpy(frame)[None].to(self.engine.device))
        label_map: Pixels = look.label_maps[0].cpu().numpy()
        doubt, features = measure_doubt(look.stages, self.resize), look.features[0].cpu().numpy()
        self.doubts.append(doubt)  # once nothing can fail
        self.features.append(features)
        return label_map


def write_order(folder: Path, pictures: Sequence[Picture], looker: Looker) -> None:
    """Write folder/order.list, a path below the source's folder a line, and order.html. pictures: in the looker's order."""
    order = order_frames([doubt.entropy for doubt in looker.doubts], np.stack(looker.features))
    with writing(folder / "order.list") as part:
        part.write_text("".join(f"{pictures[choice.frame].place}\n" for choice in order), encoding="utf-8")
    places = {choice.frame: place for place, choice in enumerate(order, 1)}
    shown = [_describe(choice, places, pictures, looker) for choice in order[:SHOWN]]
    log.info("%s: %d frames, paths below %s", folder / "order.list", len(order), pictures[0].base)
    write_order_page(folder, shown, len(order), pictures[0].base)


def _describe(choice: Choice, places: dict[int, int], pictures: Sequence[Picture], looker: Looker) -> Ordered:
    picture, doubt, card = pictures[choice.frame], looker.doubts[choice.frame], looker.engine.card
    return Ordered(
        picture=embed_frame(picture.place, read_image(picture.file, card.bit_depth)),
        entropy=doubt.entropy,
        differing=doubt.differing,
        pair=doubt.pair and (card.classes.names[doubt.pair[0]], card.classes.names[doubt.pair[1]]),
        distance=choice.distance,
        nearest=None if choice.nearest is None else (places[choice.nearest], pictures[choice.nearest].place),
    )
