"""A video through the network, frame by frame, into a video that shows what the network sees."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig

from icnet.data.images import Pixels
from icnet.data.pipeline import overlap
from icnet.data.video import VideoReader, VideoWriter
from icnet.engines.engine import Engine
from icnet.errors import ConfigError, DataError, Interrupted
from icnet.files import writing
from icnet.predict import Predictor
from icnet.tasks.predict.workload import Outcome
from icnet.visualize.colors import overlay

log = logging.getLogger(__name__)

VIEWS = ("side_by_side", "overlay")


class Seen(NamedTuple):
    """A frame and its label map."""

    frame: Pixels
    label_map: Pixels


def predict_video(cfg: DictConfig, engine: Engine, folder: Path) -> Outcome:
    """Write folder/NAME_VIEW.mp4 at the frame rate of the source."""
    view = cfg.task.video
    if view not in VIEWS:
        raise ConfigError(f"task.video is {view!r}: choose from {', '.join(VIEWS)}")
    path = Path(cfg.source).expanduser()
    video = VideoReader(path)
    log.info("%s: %s frames, %.6g a second", path, video.frames or "unknown", video.fps)
    outcome, predictor = Outcome("frames"), Predictor(engine)
    target = folder / f"{path.stem}_{view}.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    with writing(target, part=f"{target.stem}.part.mp4") as part:
        writer = VideoWriter(part, video.fps)

        def write(seen: Seen) -> None:
            writer.write(draw(seen, engine, view))
            outcome.sizes.append(seen.label_map.shape[:2])

        def see(frame: Pixels) -> Seen:
            return Seen(frame, outcome.label(predictor, frame, path))

        stopped = None
        try:
            for _ in outcome.follow(overlap(write, map(see, read_frames(video))), video.frames):
                pass
        except Interrupted as stop:
            stopped = stop
        if not outcome.images:
            raise stopped or DataError(f"{path} has no frame that can be read: copy or convert it again")
        writer.close()
    if stopped:
        raise Interrupted(f"{stopped} after {outcome.images} frames, which are in {target}", stopped.status)
    if video.frames and outcome.images < video.frames:
        log.warning("%s announces %d frames, %d can be read: it may be cut off", path, video.frames, outcome.images)
    return outcome


def read_frames(video: VideoReader) -> Iterator[Pixels]:
    """The frames of a video; the next ones are decoded while one is used."""
    for frame in overlap(lambda _: video.read(), repeat(None)):
        if frame is None:
            return
        yield frame


def draw(seen: Seen, engine: Engine, view: str) -> Pixels:
    """The overlay, beside the frame where `view` says so."""
    tinted = overlay(seen.frame, seen.label_map, engine.card.classes)
    return tinted if view == "overlay" else np.hstack([seen.frame, tinted])
