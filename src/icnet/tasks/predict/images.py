"""Images through the network: while it computes one, the next are decoded and the earlier ones are written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from omegaconf import DictConfig

from icnet.data.images import Pixels, read_image
from icnet.data.pipeline import count_cores, overlap
from icnet.data.sources import Picture, find_pictures
from icnet.engines.engine import Engine
from icnet.errors import DataError, Interrupted
from icnet.predict import Predictor
from icnet.tasks.predict.order import Looker, write_order
from icnet.tasks.predict.workload import Outcome
from icnet.tasks.predict.writers import CityscapesWriter, PictureWriter, Writer

log = logging.getLogger(__name__)

Before = TypeVar("Before")
After = TypeVar("After")
_MOST_WORKERS = 8
_NAMED = 5  # of the files that are skipped


class Frame(NamedTuple):
    """A decoded image."""

    picture: Picture
    pixels: Pixels


class Labelled(NamedTuple):
    """An image and what the network sees in it."""

    frame: Frame
    label_map: Pixels


class Failure(NamedTuple):
    """An image that takes no further step, and why."""

    reason: str


def predict_images(cfg: DictConfig, engine: Engine, folder: Path) -> Outcome:
    """Write the label maps of all images of the source into `folder`; those that fail are named and left out.

    With task.order their order goes beside that folder.
    """
    pictures, others = find_pictures(cfg.source)
    writer = build_writer(cfg, engine, folder, pictures)
    log.info("%d images of %s", len(pictures), cfg.source)
    if others:
        named = ", ".join(others[:_NAMED]) + (", ..." if len(others) > _NAMED else "")
        log.warning(
            "Not read, for they are no images: %d files (%s); a video is read by its own path", len(others), named
        )
    outcome, looker = Outcome("images", skipped=others), Looker(engine) if cfg.task.order else None
    predictor, seen = looker or Predictor(engine), []
    written: dict[str, tuple[int, int]] = {}

    def label(frame: Frame) -> Labelled:
        label_map = outcome.label(predictor, frame.pixels, str(frame.picture.file))
        seen.append(frame.picture)
        return Labelled(frame, label_map)

    def write(labelled: Labelled) -> None:
        (picture, pixels), label_map = labelled
        writer.write(picture, pixels, label_map)
        written[picture.name] = label_map.shape[:2]

    workers = choose_threads()
    frames = overlap(unless_failed(lambda picture: read(picture, engine.card.bit_depth)), pictures, workers)
    results = overlap(unless_failed(write), map(unless_failed(label), frames), workers)
    try:
        for result in outcome.follow(results, len(pictures)):
            if isinstance(result, Failure):
                outcome.failures.append(result.reason)
    except Interrupted as stop:
        place = f", which are in {folder}" if folder.is_dir() else ""
        raise Interrupted(f"{stop} after {len(written)} of {len(pictures)} images{place}", stop.status) from None
    outcome.sizes.update(written.values())
    if isinstance(writer, CityscapesWriter):
        writer.check(written)
    if looker and seen:
        write_order(folder.parent, seen, looker)
    return outcome


def build_writer(cfg: DictConfig, engine: Engine, folder: Path, pictures: list[Picture]) -> Writer:
    """As task.format and task.outputs say."""
    if cfg.task.format == "cityscapes":
        return CityscapesWriter(folder, engine.card.classes, pictures)
    return PictureWriter(folder, engine.card.classes, cfg.task.outputs)


def choose_threads() -> int:
    """Threads that decode, and as many that encode: the network needs cores, too."""
    return max(1, min(_MOST_WORKERS, count_cores() // 2))


def unless_failed(step: Callable[[Before], After]) -> Callable[[Before | Failure], After | Failure]:
    """The step, for what has not failed before; a DataError in it is a failure of this image alone."""

    def run(item: Before | Failure) -> After | Failure:
        if isinstance(item, Failure):
            return item
        try:
            return step(item)
        except DataError as error:
            return Failure(str(error))

    return run


def read(picture: Picture, bit_depth: int) -> Frame:
    """Decode an image. bit_depth: as `read_image` says."""
    return Frame(picture, read_image(picture.file, bit_depth))
