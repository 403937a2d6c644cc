"""Which frames quantise, and which layers stay in float."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import write_checkpoint

from icnet.data.dataset import Frame
from icnet.data.labels import ClassTable
from icnet.data.samples import Sample
from icnet.deploy.export import Order, write_file
from icnet.deploy.quantise import Material, Node, _find_end, choose_material, quantise
from icnet.engines.exported import open_exported
from icnet.errors import ConfigError, DataError
from icnet.streets.scene import draw_street
from icnet.weights.checkpoint import read_source

CLASSES = ClassTable(names=[f"class{i}" for i in range(5)], colors=[[i, i, i] for i in range(5)])


def make_samples(count: int) -> list[Sample]:
    return [Sample(Path(f"{i}.png"), Path(f"{i}_label.png")) for i in range(count)]


def numbers(samples: list[Sample]) -> list[int]:
    return [int(sample.image.stem) for sample in samples]


def test_calibration_frames_are_spread_over_the_split_and_always_the_same() -> None:
    for _ in range(2):
        material = choose_material(make_samples(11), [], CLASSES, 6, search=False)
        assert numbers(material.calibration.samples) == [0, 2, 4, 6, 8, 10]
        assert material.search.samples == []


def test_the_search_has_frames_of_its_own() -> None:
    material = choose_material(make_samples(21), [], CLASSES, 11, search=True)
    assert numbers(material.calibration.samples) == list(range(0, 21, 2))
    assert numbers(material.search.samples) == [1, 19]  # the ends of 1, 3, ..., 19


def test_judged_frames_serve_neither_for_calibration_nor_for_the_search() -> None:
    samples = make_samples(20)
    judged = samples[5:12]
    material = choose_material(samples, judged, CLASSES, 10, search=True)
    used = numbers(material.calibration.samples) + numbers(material.search.samples)
    assert not set(used) & set(numbers(judged))
    assert len(set(used)) == 12


def test_too_few_frames_are_one_line_that_counts_them() -> None:
    with pytest.raises(
        DataError, match=r"^task\.calibration is 10: .* and 2 to search on, and it has 11 that are not judged"
    ):
        choose_material(make_samples(14), make_samples(3), CLASSES, 10, search=True)
    choose_material(make_samples(15), make_samples(3), CLASSES, 10, search=True)
    with pytest.raises(ConfigError, match=r"task\.calibration is 0"):
        choose_material(make_samples(14), [], CLASSES, 0, search=False)


def test_the_end_of_a_graph_is_what_no_convolution_waits_for() -> None:
    chain = [("mean", ["frames"]), ("conv", ["mean"]), ("add", ["conv"]), ("last", ["add"]), ("resize", ["last"])]
    nodes = [Node(name, sources, name in ("conv", "last"), None) for name, sources in [*chain, ("argmax", ["resize"])]]
    assert _find_end(nodes) == ["resize", "argmax"]


class OwnLabels:
    """Streets whose labels are what an engine makes of them, so that its mIoU is 1."""

    classes: ClassTable

    def __init__(self, engine: Any, first: int, count: int) -> None:
        images = [torch.from_numpy(draw_street(7, first + i, (64, 128)).image) for i in range(count)]
        self.frames = [Frame(image, engine.label_maps(image[None])[0]) for image in images]
        self.classes = engine.card.classes

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Frame:
        return self.frames[index]


def write_fragile(path: Path) -> Path:
    """A network of which one channel of the full branch is 10,000 times the others: the next convolution makes up for it,
    but in int8 all the others are 0 there."""
    write_checkpoint(path, CLASSES)
    saved = torch.load(path, weights_only=True)
    state = saved["state_dict"]
    for name in ("weight", "bias"):
        state[f"net.branch.2.bn.{name}"][0] = state[f"net.branch.2.bn.{name}"][0].abs() * 1e4 + 1e4
    state["net.cff124.project_fine.conv.weight"][:, 0] /= 1e4
    torch.save(saved, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_the_layer_that_int8_would_ruin_stays_in_float(tmp_path: Path, format: str) -> None:
    """In a process of its own, which a signal at its end would kill where OpenVINO had left signals a stack that is gone."""
    pytest.importorskip("nncf", reason='needs the extra: pip install -e ".[export]"')
    process = multiprocessing.get_context("spawn").Process(target=check_fragile, args=(tmp_path, format))
    process.start()
    process.join()
    assert process.exitcode == 0


def check_fragile(tmp_path: Path, format: str) -> None:
    source = read_source(write_fragile(tmp_path / "best.ckpt"))
    order = Order(format, "fp32", "sub124", "labels", (64, 128))
    plain = open_exported(write_file(source, order, tmp_path))
    material = Material(OwnLabels(plain, 0, 4), OwnLabels(plain, 4, 2))  # type: ignore[arg-type]
    targets = [tmp_path / kind / plain.path.name for kind in ("all", "some")]  # an open engine maps its file

    def measure(target: Path) -> float:
        order.writer.stamp(target, plain.facts)
        engine = open_exported(target)
        return min(float((engine.label_maps(f.image[None])[0] == f.label).float().mean()) for f in material.search)

    for target in targets:
        target.parent.mkdir()
    everything = quantise(plain, order.writer, Material(material.calibration, []), 0.0, targets[0])  # type: ignore[arg-type]
    assert everything["float_layers"] == []
    ruined = measure(targets[0])
    mended = quantise(plain, order.writer, material, 0.3, targets[1])
    assert "cff124.project_fine.conv" in mended["float_layers"]
    assert len(mended["float_layers"]) < 8
    assert measure(targets[1]) > ruined + 0.1
    gc.collect()
    signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
