"""Files of the form of the authors', with blobs at random, against a forward pass that is written here from their table."""

from __future__ import annotations

import csv
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.conftest import Run, run_plain
from tests.model.test_authors_network import TABLE
from torch import Tensor

from icnet.engines.engine import Engine
from icnet.engines.load import load_engine
from icnet.errors import ConfigError, WeightsError
from icnet.weights.checkpoint import load_checkpoint, read_source
from icnet.weights.start import read_weights

MEAN_BGR = (103.939, 116.779, 123.68)
# (kernel, stride) by bins of a map of 7 rows, worked out by hand: the bins reach from the first row to the last
POOLS_OF_7 = {"pool1": (7, 7), "pool2": (4, 3), "pool3": (3, 2), "pool6": (2, 1)}
HEADS = {"conv6_sub4": 256, "conv6_sub2": 128}

Blobs = dict[str, list[Tensor]]


def read_rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def make_blobs() -> Blobs:
    """As the authors' training leaves them: a convolution without bias, then their BN of four blobs (1, C, 1, 1)."""
    made = torch.Generator().manual_seed(0)
    blobs: Blobs = {}
    for row in read_rows():
        if row["kind"] != "conv":
            continue
        name, into, out, size = row["layer"], int(row["in_channels"]), int(row["out_channels"]), int(row["kernel"])
        blobs[name] = [torch.randn(out, into, size, size, generator=made) * (2 / (into * size * size)) ** 0.5]
        if row["bias"] == "yes":
            blobs[name].append(torch.randn(out, generator=made))
        if row["batch_norm"] == "yes":
            spread = 100.0 if into == 3 else 1.0  # what comes is in 0..255
            scale, shift, mean, variance = torch.rand(4, 1, out, 1, 1, generator=made) + 0.5
            blobs[f"{name}/bn"] = [scale / 2, shift - 1, (mean - 1) * spread, variance * spread**2]
    return blobs


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes | int | float) -> bytes:
    if isinstance(content, float):
        return varint(number << 3 | 5) + struct.pack("<f", content)
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def write_blob(blob: Tensor, old: bool) -> bytes:
    """old: the four sizes of Caffe's first years, instead of a shape."""
    data = field(5, np.ascontiguousarray(blob.numpy(), "<f4").tobytes())
    if old:
        return (
            b"".join(field(n, size) for n, size in enumerate([1] * (4 - blob.ndim) + list(blob.shape), start=1)) + data
        )
    return data + field(7, field(1, b"".join(map(varint, blob.shape))))


def write_layers(layers: Sequence[tuple[str, list[Tensor]]], old: bool = False) -> bytes:
    """A NetParameter; old: of V1LayerParameter. With layers that have no blobs, and fields that nobody needs."""
    number, of_name, of_type, of_blobs = (2, 4, 5, 6) if old else (100, 1, 2, 7)
    net = field(1, b"icnet") + field(5, 0)
    for name, blobs in layers:
        kind: bytes | int = 4 if old else b"BNData" if name.endswith("/bn") else b"ConvolutionData"
        content = field(of_name, name.encode()) + field(of_type, kind)
        content += field(8 if old else 5, 1.0) + b"".join(field(of_blobs, write_blob(blob, old)) for blob in blobs)
        net += field(number, content) + field(number, field(of_name, f"{name}/relu".encode()))
    return net


def plain_forward(
    blobs: Mapping[str, list[Tensor]], frame: Tensor, pools: Mapping[str, tuple[int, int]] | None
) -> Tensor:
    """The rows of the table, one after the other. frame (H, W, 3) uint8, red first. pools: None takes the table's."""
    images = (frame.float().flip(-1) - torch.tensor(MEAN_BGR)).permute(2, 0, 1)[None]
    made: dict[str, Tensor] = {}
    sizes = {}
    for row in read_rows():
        name, kind = row["layer"], row["kind"]
        x = images if kind == "input" else made[row["inputs"].split("+")[0]]
        if kind == "conv":
            settings = {column: int(row[column]) for column in ("stride", "dilation", "padding")}
            x = F.conv2d(x, *blobs[name], **settings)
        elif kind == "maxpool":
            x = F.max_pool2d(x, 3, 2, 1)
        elif kind == "avgpool":
            sizes[name] = x.shape[2:]
            kernel, step = pools[name.removeprefix("conv5_3_")] if pools else (pair(row["kernel"]), pair(row["stride"]))
            x = F.avg_pool2d(x, kernel, step)
        elif kind == "resize":
            x = F.interpolate(x, new_size(row, x, sizes), mode="bilinear", align_corners=True)
        elif kind == "sum":
            for other in row["inputs"].split("+")[1:]:
                x = x + made[other]
        if row["batch_norm"] == "yes":
            scale, shift, mean, variance = blobs[f"{name}/bn"]
            x = (x - mean) / (variance + 1e-5).sqrt() * scale + shift
        made[name] = x.relu() if row["relu"] == "yes" else x
    return made["conv6_interp"]


def pair(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def new_size(row: Mapping[str, str], x: Tensor, sizes: Mapping[str, Sequence[int]]) -> tuple[int, int]:
    """Of a resize: half, twice or four times as many gaps between pixels, or as before the pooling."""
    if row["kernel"].startswith("to"):
        height, width = sizes[row["inputs"]]
        return height, width
    factor = {"/2": 0.5, "x2": 2, "x4": 4}[row["kernel"]]
    return tuple(round((n - 1) * factor) + 1 for n in x.shape[2:])  # type: ignore[return-value]


@pytest.fixture(scope="module")
def blobs() -> Blobs:
    return make_blobs()


@pytest.fixture(scope="module")
def file(blobs: Blobs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authors") / "icnet_bnnomerge.caffemodel"
    path.write_bytes(write_layers(list(blobs.items())))
    return path


@pytest.fixture(scope="module")
def engine(file: Path) -> Engine:
    return load_engine(file)


def frame_of(height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_the_network_computes_what_their_layers_do(engine: Engine, blobs: Blobs) -> None:
    frame = frame_of(193, 193)
    expected = plain_forward(blobs, frame, POOLS_OF_7)
    assert expected.std() > 0.1
    assert (engine.scores(frame[None]) - expected).abs().max() < 1e-4


@pytest.mark.slow
def test_it_does_so_at_their_size_with_the_pooling_of_their_table(engine: Engine, blobs: Blobs) -> None:
    frame = frame_of(1025, 2049)
    difference = engine.scores(frame[None]) - plain_forward(blobs, frame, None)
    assert difference.abs().max() < 1e-4


def test_it_brings_their_classes_their_preprocessing_and_their_geometry(file: Path) -> None:
    source = read_source(file)
    assert source.architecture["align_corners"] is True
    assert source.classes["names"][0] == "road"
    assert source.classes["names"][-1] == "bicycle"
    assert source.classes["label_ids"] == [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
    assert list(source.frame_size or ()) == [1025, 2049]
    red_pixel = torch.tensor([255, 0, 0], dtype=torch.uint8).expand(1, 1, 1, 3)
    seen = source.normalize(red_pixel).flatten()
    assert seen.tolist() == pytest.approx([255 - 123.68, -116.779, -103.939], abs=1e-4)
    again = type(source.normalize)(**source.preprocessing)(red_pixel).flatten()  # as a checkpoint keeps it
    assert torch.allclose(again, seen, atol=1e-4)


def test_both_forms_of_the_format_are_the_same_network(blobs: Blobs, file: Path, tmp_path: Path) -> None:
    (tmp_path / "old.caffemodel").write_bytes(write_layers(list(blobs.items()), old=True))
    new, old = read_source(file).state, read_source(tmp_path / "old.caffemodel").state
    assert new.keys() == old.keys()
    assert all(torch.equal(new[name], old[name]) for name in new)


def test_a_file_without_the_classifiers_of_the_guidance_has_one_exit(
    file: Path, engine: Engine, tmp_path: Path
) -> None:
    assert engine.exits == ("sub124",)
    with pytest.raises(ConfigError, match=r"task\.exit is 'sub4': choose one of sub124"):
        engine.at("sub4")
    heads = {name: [torch.randn(19, into, 1, 1), torch.randn(19)] for name, into in HEADS.items()}
    path = tmp_path / "trained.caffemodel"
    path.write_bytes(
        file.read_bytes() + write_layers(list(heads.items()))
    )  # messages are joined by laying them end to end
    source = read_source(path)
    assert source.exits == ("sub4", "sub24", "sub124")
    assert torch.equal(source.state["guide4.weight"], heads["conv6_sub4"][0])
    assert torch.equal(source.state["guide24.bias"], heads["conv6_sub2"][1])


def test_what_the_network_does_without_is_named(file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "more.caffemodel"
    path.write_bytes(file.read_bytes() + write_layers([("conv5_3_pool1_conv", [torch.zeros(256, 1024, 1, 1)])]))
    with caplog.at_level(logging.WARNING):
        read_source(path)
    assert "more.caffemodel has layers that the network does without: conv5_3_pool1_conv" in caplog.text


def spoiled(blobs: Blobs) -> Iterator[tuple[str, bytes, str]]:
    """Name, content and what is said of it."""
    parts = {name: write_layers([(name, each)]) for name, each in blobs.items()}

    def changed(**layers: list[Tensor]) -> bytes:
        anew = {name: write_layers([(name, each)]) for name, each in layers.items()}
        return b"".join((parts | anew).values())

    whole = changed()
    for share in (0.1, 0.5, 0.999):
        yield (
            f"torn at {share}",
            whole[: int(len(whole) * share)],
            r"was cut off \(\d+ bytes are announced, \d+ are there",
        )
    yield "empty", b"", r"is no .caffemodel, or was cut off \(no layer has blobs\)"
    yield "text", b"name: 'ICNet'\nlayer { name: 'data' }\n", "is no .caffemodel, or was cut off"
    some = b"".join(part for name, part in parts.items() if name not in ("conv_sub4", "conv4_6_3x3/bn"))
    yield "too little", some, r"\(2 faults\): conv_sub4 is missing; conv4_6_3x3/bn is missing\. Give"
    yield "twice", whole + parts["conv6_cls"], "conv6_cls comes twice"
    other = [torch.zeros(150, 128, 1, 1), torch.zeros(150)]
    yield (
        "other classes",
        changed(conv6_cls=other),
        r"conv6_cls has a blob of \[150, 128, 1, 1\], not \[19, 128, 1, 1\]",
    )
    three = {"conv1_sub1/bn": blobs["conv1_sub1/bn"][:3]}
    yield "three blobs", changed(**three), "conv1_sub1/bn has 3 blobs, not 4"
    merged = [("conv1_1_3x3_s2", [blobs["conv1_1_3x3_s2"][0], torch.zeros(32)])]
    yield "merged", write_layers(merged), "merged into its convolutions: give .* ends in bnnomerge"
    yield "another network", write_layers([("fc6", [torch.zeros(4, 4)])]), r"is not the authors' ICNet \(\d+ faults\)"


def test_a_file_that_is_torn_or_another_networks_is_one_line(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "given.caffemodel"
    for name, content, said in spoiled(blobs):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=said) as caught:
            read_source(path)
        assert "given.caffemodel" in str(caught.value), name
        assert "\n" not in str(caught.value), name


@pytest.mark.slow
def test_it_predicts_and_is_trained_further(file: Path, run_icnet: Run, streets: Path, tmp_path: Path) -> None:
    results = run_plain(
        tmp_path / "seen",
        streets,
        "task=predict",
        f"ckpt={file}",
        f"source={streets}/leftImg8bit/val",
        "task.size=[97,193]",
    )
    assert results["metrics"]["images"] == 3
    folder = run_icnet(f"task.weights={file}", "task.architecture=file", "trainer.max_steps=1", "optimizer.lr=0")
    after = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert after.architecture == {**read_weights(file).source.architecture, "num_classes": 10}  # type: ignore[union-attr]
    expected = read_source(file).state["backbone.conv5.2.conv.conv.weight"]
    assert torch.equal(after.state_dict()["backbone.conv5.2.conv.conv.weight"], expected)
