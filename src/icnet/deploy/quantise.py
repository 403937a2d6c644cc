"""INT8: nncf's quantisation of a float file, in which the layers that the score cannot do without stay in float."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import rich
import torch
from torch import Tensor

from icnet.data.dataset import Frame, SegmentationDataset
from icnet.data.labels import IGNORE, ClassTable
from icnet.data.samples import Sample
from icnet.data.subset import spread
from icnet.engines.exported import ExportedEngine, Opened, resize_frames
from icnet.errors import ConfigError, DataError
from icnet.metrics.confusion import count_pairs, mean_iou
from icnet.model.preprocess import WHOLE_DEPTH

log = logging.getLogger(__name__)

_SEARCHED = 5  # one frame to search on for so many that calibrate


class Node(NamedTuple):
    """An operation of a graph. sources: the names of those that it reads.

    layer: of a convolution the module whose weights it reads, as long as they are floats.
    """

    name: str
    sources: Sequence[str]
    convolves: bool
    layer: str | None


@dataclass(frozen=True)
class Material:
    """Labelled frames, none of them judged later.

    calibration: on which the ranges of activations are measured.
    search: on which it is measured what each layer loses; empty: quantise all, whatever is lost.
    """

    calibration: SegmentationDataset
    search: SegmentationDataset


def name_layer(weight: str) -> str:
    """The module of a weight: cff24.project_fine.conv of net.cff24.project_fine.conv.weight."""
    return weight.removeprefix("net.").removesuffix(".weight")


def choose_material(
    samples: Sequence[Sample],
    judged: Sequence[Sample],
    classes: ClassTable,
    calibration: int,
    search: bool,
    bit_depth: int = WHOLE_DEPTH,
) -> Material:
    """Frames of the training split, spread evenly, always the same.

    calibration: how many. search: take others beside them, a fifth as many. judged: frames that are left out.
    bit_depth: as `read_image` says.
    """
    if calibration < 1:
        raise ConfigError(f"task.calibration is {calibration}: int8 needs at least 1 frame")
    taken = {sample.image for sample in judged}
    free = [sample for sample in samples if sample.image not in taken]
    others = max(1, calibration // _SEARCHED) if search else 0
    if len(free) < calibration + others:
        apart = f" and {others} to search on" if others else ""
        raise DataError(
            f"task.calibration is {calibration}: int8 needs so many frames of the training split{apart}, and it has "
            f"{len(free)} that are not judged; lower task.calibration"
        )
    chosen = spread(len(free), calibration)
    rest = [sample for i, sample in enumerate(free) if i not in set(chosen)]
    searched = [rest[i] for i in spread(len(rest), others)]
    parts = ([free[i] for i in chosen], searched)
    return Material(*(SegmentationDataset(part, classes, bit_depth=bit_depth) for part in parts))


def quantise(
    engine: ExportedEngine, writer: ModuleType, material: Material, max_drop: float, path: Path
) -> dict[str, Any]:
    """Write the file of `engine` once more, as `path`, with convolutions in int8; what comes after them stays as it is.

    writer: the module of this folder for the format. max_drop: mIoU over the searched frames that may be lost.
    Returns how many frames served for what, and the layers that stayed in float. DataError where no searched frame is
    labelled.
    """
    import nncf  # seconds
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters

    model = writer.load(engine.path)
    nodes: list[Node] = writer.list_nodes(model)
    layers = {node.name: node.layer for node in nodes if node.layer is not None}
    frames = _Frames(material.calibration, engine)
    ranges = AdvancedQuantizationParameters(
        activations_quantization_params=None if writer.RANGE_BY_CHANNEL else QuantizationParameters(per_channel=False)
    )
    settings = {
        "calibration_dataset": nncf.Dataset(frames, lambda frame: {"frames": frame}),
        "subset_size": len(frames),
        "ignored_scope": nncf.IgnoredScope(names=_find_end(nodes), validate=False),
    }
    with _silence(nncf), writer.quantising():
        if len(material.search) == 0:
            quantised = nncf.quantize(model, **settings, advanced_parameters=ranges)
        else:
            score = _Score(engine, writer, material.search)
            settings["advanced_quantization_parameters"] = ranges
            quantised = _search(nncf, model, settings, score, max_drop, most=len(layers) // 2)
    writer.save(quantised, path)
    floats = [layers[node.name] for node in writer.list_nodes(quantised) if node.layer is not None]
    return {"calibration": len(frames), "search": len(material.search), "float_layers": floats}


def _search(
    nncf: ModuleType, model: Any, settings: Mapping[str, Any], score: _Score, max_drop: float, most: int
) -> Any:
    """Quantise, then take back layer after layer, up to `most`, until no more than `max_drop` is lost.

    nncf ranks layers by frames that it picks by their own scores: with all of them, each step is measured by the mIoU of the
    set. It would rank by something else, and say nothing, if the score failed at its first call.
    """
    frames = list(range(len(score.frames)))
    score.try_once(frames)
    return nncf.quantize_with_accuracy_control(
        model,
        **settings,
        validation_dataset=nncf.Dataset(frames),
        validation_fn=score,
        max_drop=max_drop,
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            max_num_iterations=most, ranking_subset_size=len(frames), num_ranking_workers=1
        ),
    )


class _Frames:
    """Frames as the file reads them, with a line in the log at each tenth of the way."""

    def __init__(self, frames: SegmentationDataset, engine: ExportedEngine) -> None:
        self.frames, self.size = frames, engine.card.size

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        begin, count = time.monotonic(), len(self)
        for done in range(count):
            if done and (10 * done // count) > (10 * (done - 1) // count):
                left = (time.monotonic() - begin) / done * (count - done)
                log.info("Calibrating: %d of %d frames, %.0f s left", done, count, left)
            image = self.frames[done].image[None]
            yield resize_frames(image, self.size or (image.shape[1], image.shape[2])).numpy()


class _Score:
    """mIoU of a set of frames, from one confusion matrix, in the form in which nncf asks for it."""

    def __init__(self, engine: ExportedEngine, writer: ModuleType, frames: SegmentationDataset) -> None:
        self.engine, self.writer, self.frames, self.steps = engine, writer, frames, 0

    def __call__(self, model: Any, frames: Iterable[int]) -> tuple[float, list[float]]:
        """model: as nncf hands it over, ready to run. The score of the set, and those of its frames."""
        opened = Opened(self.engine.facts, self.writer.prepare(model), self.engine.card.kind, "int8")
        miou, each = self._measure(ExportedEngine(self.engine.path, opened), frames)
        if len(each) == len(self.frames):  # nncf tries it on one first
            self.steps += 1
            log.info("Searching layers to leave in float: step %d, mIoU %.4f", self.steps, miou)
        return miou, each

    def try_once(self, frames: Iterable[int]) -> None:
        """On the float file."""
        miou, _ = self._measure(self.engine, frames)
        if math.isnan(miou):
            raise DataError("no training frame to search on has a labelled pixel: check data.classes.ignored_ids")

    def _measure(self, engine: ExportedEngine, frames: Iterable[int]) -> tuple[float, list[float]]:
        matrices = [self._count(engine, self.frames[i]) for i in frames]
        return mean_iou(torch.stack(matrices).sum(dim=0)), [mean_iou(matrix) for matrix in matrices]

    def _count(self, engine: ExportedEngine, frame: Frame) -> Tensor:
        label_map = engine.label_maps(frame.image[None])[0]
        return count_pairs(label_map, frame.label, len(self.frames.classes), IGNORE)


def _find_end(nodes: Sequence[Node]) -> list[str]:
    """The operations on which no convolution depends: the last resize and the argmax."""
    sources = {node.name: node.sources for node in nodes}
    before, found = {node.name for node in nodes if node.convolves}, set()
    while before:
        found |= before
        before = {source for name in before for source in sources.get(name, ())} - found
    return [node.name for node in nodes if node.name not in found]


@contextlib.contextmanager
def _silence(nncf: ModuleType) -> Iterator[None]:
    """It prints each operation that it leaves out, and draws bars of its own."""
    console, level = rich.get_console(), logging.getLogger("nncf").level
    quiet, console.quiet = console.quiet, True
    nncf.set_log_level(logging.ERROR)
    try:
        yield
    finally:
        console.quiet = quiet
        nncf.set_log_level(level)
