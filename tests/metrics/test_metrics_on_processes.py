"""The metrics on several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tests.metrics.scenes import load_classes, patchwork

from icnet.metrics.boundary import BoundaryScores
from icnet.metrics.confusion import ConfusionMatrix
from icnet.metrics.instances import InstanceIoU
from icnet.metrics.per_image import PerImageConfusion
from icnet.metrics.segments import ConfusionByDistance, CountsBySize

PROCESSES = 3
CASES = ((5, 1), (5, 2), (5, 3), (2, 3))  # images, processes: in the last one a process sees no image


def score(images: int, rank: int, processes: int, group: Any = None) -> list[Any]:
    """All scores as one of the processes knows them, which sees every image whose place it is, in turn."""
    classes = load_classes("cityscapes")
    size = len(classes)
    kinds = (ConfusionMatrix, BoundaryScores, CountsBySize, ConfusionByDistance)
    plain = [kind(size, process_group=group) for kind in kinds]
    per_image = PerImageConfusion(size, process_group=group)
    instances = InstanceIoU(classes, process_group=group)
    for place in reversed(range(rank, images, processes)):
        scene = patchwork(classes, place, (48, 80))
        for metric in plain:
            metric.update(scene.prediction, scene.labels)
        per_image.update(scene.prediction, scene.labels, place)
        instances.update(scene.prediction, scene.labels, torch.from_numpy(scene.instance_ids))
    return [metric.compute() for metric in (*plain, per_image, instances)]


def score_cases(rank: int, folder: str) -> None:
    """What each of the processes does."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES)
    groups = {processes: dist.new_group(list(range(processes))) for processes in range(1, PROCESSES + 1)}
    scores = [score(images, rank, number, groups[number]) for images, number in CASES if rank < number]
    torch.save([[plain(one) for one in case] for case in scores], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def plain(scores: Any) -> Any:
    return tuple(scores) if isinstance(scores, tuple) else scores


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")  # of a process that sees no image
def test_every_process_of_any_number_gives_the_very_same_scores_as_one(tmp_path: Path) -> None:
    mp.spawn(score_cases, args=(str(tmp_path),), nprocs=PROCESSES)  # type: ignore[attr-defined]
    for rank in range(PROCESSES):
        cases = [images for images, processes in CASES if rank < processes]
        told = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for images, scores in zip(cases, told, strict=True):
            alone = score(images, 0, 1)
            assert len(alone[4]) == images
            assert any(iiou == iiou for iiou in alone[5].classes.values())
            torch.testing.assert_close(scores, [plain(one) for one in alone], rtol=0, atol=0, equal_nan=True)
