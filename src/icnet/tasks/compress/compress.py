"""task=compress: cut a trained network to smaller and smaller shares of its width, and fine-tune it each time.

As in the paper ("Model compression"): rank the filters by their L1 norm, keep 3/4, fine-tune; keep 1/2, fine-tune.
"""

from __future__ import annotations

import logging
import shutil
import time

from omegaconf import DictConfig

from icnet.engines.views import Scheme
from icnet.errors import ConfigError
from icnet.files import make_folder, writing
from icnet.report.compress import write_compression
from icnet.report.results import write_results
from icnet.tasks.compress.measure import judge_given, list_rows, measure_sensitivity
from icnet.tasks.compress.order import read_order
from icnet.tasks.compress.rounds import open_engine, plan_rounds, run_round
from icnet.tasks.evaluate.evaluate import check_classes
from icnet.tasks.setup.build import build, run_folder
from icnet.tasks.setup.teacher import find_label_maps, read_teacher
from icnet.tasks.setup.trained import Trained, check_checkpoint
from icnet.tasks.setup.trainer import check_ranges, check_recipe, start
from icnet.tasks.train import build_objective
from icnet.training.datamodule import SegmentationDataModule
from icnet.weights.checkpoint import read_source
from icnet.weights.download import sha256

log = logging.getLogger(__name__)


def compress(cfg: DictConfig) -> None:
    """Run the rounds that are not done yet, measure all networks, leave the last one as checkpoints/best.ckpt."""
    begin = time.monotonic()
    start(cfg.seed)
    folder, source = run_folder(), read_source(check_checkpoint(cfg.ckpt))
    order = read_order(cfg.task, cfg.seed, source.build())
    given = open_engine(cfg, source)
    check_settings(cfg, Trained(source.origin, given, Scheme()))
    rounds, last = plan_rounds(order, folder), source.origin
    for this in rounds:
        last = this.best if this.is_done else run_round(cfg, order, this, last)
    judged = judge_given(cfg, folder, given)
    sensitivity = measure_sensitivity(cfg, order, source, judged)
    if not judged.trainer.is_global_zero:
        return
    full, rows = list_rows(cfg, judged, rounds)
    make_folder(folder / "checkpoints")
    with writing(folder / "checkpoints" / "best.ckpt") as part:
        shutil.copyfile(last, part)
    results = [this.read_results() for this in rounds]
    metrics = results[-1]["metrics"] | {"image_ms": rows[-1]["image_ms"], "full": full, "rounds": rows}
    protocol = results[-1]["protocol"] | {
        "given": str(source.origin),
        "given_sha256": sha256(source.origin),
        "keep": list(order.keep),
        "rank": order.rank,
        "train_samples": sum(each["protocol"]["train_samples"] for each in results),
        "sensitivity": {"keep": order.keep[-1], "images": cfg.task.sensitivity_images},
    }
    metrics["sensitivity"] = sensitivity
    write_results(folder, "compress", cfg.name, metrics, protocol, time.monotonic() - begin)
    write_compression(folder)
    log.info("mIoU %.4f; report: %s", metrics["miou"], folder / "report.html")


def check_settings(cfg: DictConfig, given: Trained) -> None:
    """Refuse what a round would refuse, before the first one begins."""
    data: SegmentationDataModule = build(cfg.data, label_maps=find_label_maps(cfg))
    check_classes(given, data)
    check_ranges(cfg)
    check_recipe(cfg)
    build_objective(cfg, data, read_teacher(cfg, data))
    if cfg.task.sensitivity_images < 0:
        raise ConfigError(f"task.sensitivity_images is {cfg.task.sensitivity_images}: give 0 (none) or more")
