"""task=predict: label maps of images, or of a video or stream, with a video that has them laid over."""

from __future__ import annotations

import logging
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
from omegaconf import DictConfig

from icnet.data.address import hide_login
from icnet.data.sources import SOURCES, is_video
from icnet.errors import ConfigError, DataError
from icnet.report.results import describe_machine, write_results
from icnet.tasks.predict.images import predict_images
from icnet.tasks.predict.video import predict_video
from icnet.tasks.predict.workload import Outcome
from icnet.tasks.predict.writers import OUTPUTS
from icnet.tasks.setup.build import run_folder
from icnet.tasks.setup.device import choose_device
from icnet.tasks.setup.trained import Trained, describe_trained, read_trained

log = logging.getLogger(__name__)

FORMATS = (None, "cityscapes")
_LONGEST_S = 3600


def predict(cfg: DictConfig) -> None:
    """Write predictions/ and results.json; what failed is listed, then the run ends with status 1."""
    begin = time.monotonic()
    check_task(cfg)
    cv2.setNumThreads(0)  # the images are the parallelism
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # its lines about broken files name none
    folder = run_folder()
    trained = read_trained(cfg)
    trained = trained._replace(engine=trained.engine.to(choose_device(cfg.trainer)))
    predict_source = predict_video if is_video(cfg.source) else predict_images
    outcome = predict_source(cfg, trained.engine, folder / "predictions")
    protocol = describe_protocol(cfg, trained, outcome)
    write_results(folder, "predict", cfg.name, summarize(outcome), protocol, time.monotonic() - begin)
    skipped = f", {outcome.skipped_frames} skipped for newer ones" if outcome.skipped_frames else ""
    speed = f"{outcome.images} {outcome.unit} predicted, {outcome.fps:.1f} fps{skipped}"
    place = folder / ("order.html" if cfg.task.order else "predictions")
    log.info("%s; results: %s", speed, place)
    if outcome.failures:
        for failure in outcome.failures:
            log.error("failed: %s", failure)
        raise DataError(count_failures(outcome, place, cfg.task.format))
    if outcome.error:
        raise outcome.error


def check_task(cfg: DictConfig) -> None:
    """What the sources and writers do not check themselves."""
    if cfg.source in (None, ""):
        raise ConfigError(f"no source is given: add source={SOURCES}")
    cfg.source = str(cfg.source)  # a file of settings may say 0
    if cfg.task.outputs is None:
        cfg.task.outputs = [] if cfg.task.order else list(OUTPUTS)
    if not 0 < cfg.task.timeout_s <= _LONGEST_S:
        raise ConfigError(f"task.timeout_s is {cfg.task.timeout_s}: seconds, up to {_LONGEST_S}")
    unknown = [output for output in cfg.task.outputs if output not in OUTPUTS]
    if unknown or not (cfg.task.outputs or cfg.task.order or is_video(cfg.source)):
        raise ConfigError(f"task.outputs is {list(cfg.task.outputs)}: choose from {', '.join(OUTPUTS)}")
    if cfg.task.format not in FORMATS:
        raise ConfigError(f"task.format is {cfg.task.format!r}: cityscapes, or leave it out")
    if cfg.task.order and is_video(cfg.source):
        raise ConfigError(
            f"task.order=true takes images, and source={hide_login(cfg.source)} is a video: write its frames into a folder, "
            "e.g. with ffmpeg -i VIDEO -vf fps=1 DIR/%06d.jpg"
        )
    if cfg.task.format and is_video(cfg.source):
        raise ConfigError(f"task.format={cfg.task.format} takes images, and source={hide_login(cfg.source)} is a video")


def summarize(outcome: Outcome) -> dict[str, Any]:
    """The metrics of results.json. image_ms: of one image from pixels to train ids, in the network's own thread."""
    metrics: dict[str, Any] = {"images": outcome.images, "failed": len(outcome.failures)}
    if outcome.skipped_frames is not None:
        metrics["skipped_frames"] = outcome.skipped_frames
    if outcome.images:
        metrics |= {
            "image_ms": 1e3 * statistics.median(outcome.network_s),
            "seconds_per_image": outcome.seconds / outcome.images,
            "fps": outcome.fps,
            "time_over_network": outcome.seconds / sum(outcome.network_s),
        }
    return metrics


def describe_protocol(cfg: DictConfig, trained: Trained, outcome: Outcome) -> dict[str, Any]:
    """What was read, how it went through which network, what was written, on what."""
    return {
        "source": hide_login(cfg.source),
        "failed": outcome.failures,
        "skipped": outcome.skipped,
        "written": describe_outputs(cfg),
        "image_sizes": [list(size) for size in sorted(outcome.sizes)],
        **describe_trained(trained),
        "classes": trained.engine.card.classes.to_dict(),
        **describe_machine(trained.engine.device),
    }


def describe_outputs(cfg: DictConfig) -> list[str]:
    """What was written of each image, or of the video."""
    if is_video(cfg.source):
        return [*(output for output in cfg.task.outputs if output == "labels"), cfg.task.video]
    outputs = [cfg.task.format] if cfg.task.format else list(cfg.task.outputs)
    return [*outputs, *(["order.list"] if cfg.task.order else [])]


def count_failures(outcome: Outcome, place: Path, benchmark: str | None) -> str:
    """The line that ends the run."""
    failed, images = len(outcome.failures), outcome.images
    others = f"; what was predicted is in {place}" if images else ""
    incomplete = f"; the submission to {benchmark} is incomplete" if benchmark else ""
    listed = "listed above, in run.log and in results.json"
    return f"{failed} of {failed + images} images failed, {listed}{others}{incomplete}"
