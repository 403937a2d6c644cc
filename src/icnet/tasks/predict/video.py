"""A video or a stream through the network, frame by frame, into label maps and a video that shows what the network sees."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig

from icnet.data.images import Pixels, write_image
from icnet.data.pipeline import ahead, newest, overlap
from icnet.data.streams import open_video
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
    """A frame and its label map. number: of the frame among all that came, from 0 on."""

    number: int
    frame: Pixels
    label_map: Pixels


def predict_video(cfg: DictConfig, engine: Engine, folder: Path) -> Outcome:
    """Write folder/NAME_VIEW.mp4 at the frame rate of the source, and of each frame folder/NAME/NUMBER_labels.png."""
    view = cfg.task.video
    if view not in VIEWS:
        raise ConfigError(f"task.video is {view!r}: choose from {', '.join(VIEWS)}")
    video = open_video(cfg.source, cfg.task.timeout_s)
    log.info("%s: %s frames, %.6g a second", video.title, video.frames or "unknown", video.fps)
    outcome, predictor, stopped = Outcome("frames"), Predictor(engine), None
    target, maps = folder / f"{video.name}_{view}.mp4", folder / video.name
    folder.mkdir(parents=True, exist_ok=True)
    with choose_frames(video, cfg.task.newest) as frames, writing(target, part=f"{target.stem}.part.mp4") as part:
        writer = VideoWriter(part, video.fps)

        def write(seen: Seen) -> None:
            writer.write(draw(seen, engine, view))
            if "labels" in cfg.task.outputs:
                maps.mkdir(exist_ok=True)
                write_image(maps / f"{seen.number:06d}_labels.png", seen.label_map)
            outcome.sizes[seen.label_map.shape] += 1
            outcome.skipped_frames = seen.number + 1 - outcome.images

        def see(frame: tuple[int, Pixels]) -> Seen:
            return Seen(*frame, outcome.label(predictor, frame[1], video.title))

        try:
            with closing(outcome.follow(overlap(write, map(see, frames)), video.frames)) as results:
                for _ in results:
                    pass
        except Interrupted as stop:
            stopped = stop
        if not outcome.images:
            reason = video.broke or "it ends at once"
            raise stopped or DataError(f"{video.title} has no frame that can be read ({reason}): try it in a player")
        writer.close()
    check_end(outcome, video, stopped, target)
    return outcome


def choose_frames(video: VideoReader, skip: bool) -> AbstractContextManager[Iterator[tuple[int, Pixels]]]:
    """The frames with their numbers: of a live stream, where `skip` says so, the newest that there is; else all of them."""
    frames = enumerate(read_frames(video))
    return newest(frames) if skip and video.live else nullcontext(ahead(frames))


def read_frames(video: VideoReader) -> Iterator[Pixels]:
    """All of them as they come; one of another size is the end."""
    shape = None
    while (frame := video.read()) is not None:
        shape = shape or frame.shape
        if frame.shape != shape:
            video.broke = "its frames change from {}x{} to {}x{}".format(*shape[:2], *frame.shape[:2])
            return
        yield frame


def draw(seen: Seen, engine: Engine, view: str) -> Pixels:
    """The overlay, beside the frame where `view` says so."""
    tinted = overlay(seen.frame, seen.label_map, engine.card.classes)
    return tinted if view == "overlay" else np.hstack([seen.frame, tinted])


def check_end(outcome: Outcome, video: VideoReader, stopped: Interrupted | None, target: Path) -> None:
    """What the run ends with where the frames did not come to their end: of a live stream, after its results are written."""
    written = f"after {outcome.images} frames, which are in {target}"
    if stopped:
        outcome.error = Interrupted(f"{stopped} {written}", stopped.status)
        if not video.live:
            raise outcome.error
    elif video.broke:
        outcome.error = DataError(f"{video.title} broke off {written} ({video.broke}): start again when it is back")
    elif video.frames and outcome.images < video.frames:
        log.warning(
            "%s announces %d frames, %d can be read: it may be cut off", video.title, video.frames, outcome.images
        )
