"""ICNet at 1025x2049 is the network that its authors deployed, layer by layer and wire by wire.

icnet_layers.csv beside this file lists the facts of the authors' deployed prototxt, `icnet_cityscapes_bnnomerge.prototxt`
(github.com/hszhao/ICNet). One rewriting is known and exact: the 1x1 classifier (conv6_cls) runs before the x2 resize
instead of after it, because a 1x1 convolution commutes with bilinear resizing. So do the guidance heads, which the
deployed network does not have.
"""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import resnet50

TABLE = Path(__file__).with_name("icnet_layers.csv")
ARGUMENTS = {
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation"),
    "max_pool2d": ("input", "kernel_size", "stride", "padding"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding"),
    "interpolate": ("input", "size", "scale_factor", "mode", "align_corners"),
}


class Layer(NamedTuple):
    """What is compared: shapes and settings of one layer, and the layers that it reads."""

    kind: str
    in_channels: int = 0
    out_channels: int = 0
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    bias: bool = False
    batch_norm: bool = False
    relu: bool = False
    size: tuple[int, ...] = ()
    inputs: tuple[int, ...] = ()

    @property
    def parameters(self) -> int:
        weights = self.in_channels * self.out_channels * self.kernel[0] * self.kernel[1] if self.kind == "conv" else 0
        return weights + (self.out_channels if self.bias else 0)

    @property
    def macs(self) -> int:
        weights = self.parameters - (self.out_channels if self.bias else 0)
        return weights * self.size[0] * self.size[1]


class Recorder(TorchFunctionMode):
    """Notes every convolution, pooling, resize and sum, and which of them made each tensor."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.layers = [Layer("input", out_channels=images.shape[1], size=tuple(images.shape[-2:]))]
        self.made_by = {id(images): 0}
        self.alive = [images]
        self.align_corners: set[bool] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in ARGUMENTS:
            self._note(out, self._read(name, args, kwargs))
        elif name in ("add", "__add__", "add_", "__iadd__"):
            self._note(out, Layer("sum", inputs=self._summands(args)))
        elif name in ("batch_norm", "relu"):
            number = self.made_by[id(args[0])]
            self.layers[number] = self.layers[number]._replace(**{name: True})
            self._made(out, number)
        return out

    def _read(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Layer:
        given = dict(zip(ARGUMENTS[name], args, strict=False)) | kwargs
        source = (self.made_by[id(given["input"])],)
        if name == "interpolate":
            self.align_corners.add(given["align_corners"])
            return Layer("resize", inputs=source)
        if name == "conv2d":
            out, into, *kernel = given["weight"].shape
            settings = {setting: _pair(given[setting]) for setting in ("stride", "padding", "dilation")}
            bias = given["bias"] is not None
            return Layer("conv", into, out, tuple(kernel), bias=bias, inputs=source, **settings)
        kernel, stride, padding = (_pair(given.get(setting, 0)) for setting in ("kernel_size", "stride", "padding"))
        if name == "max_pool2d":
            return Layer("maxpool", kernel=kernel, stride=stride, padding=padding, inputs=source)
        return Layer("avgpool", kernel=kernel, stride=stride, padding=padding if any(padding) else (), inputs=source)

    def _summands(self, args: Sequence[Tensor]) -> tuple[int, ...]:
        """The layers that are added, also over a chain of two-term sums."""
        found: list[int] = []
        for number in (self.made_by[id(term)] for term in args):
            layer = self.layers[number]
            found += layer.inputs if layer.kind == "sum" and not layer.relu else (number,)
        return tuple(found)

    def _note(self, out: Tensor, layer: Layer) -> None:
        channels, *size = out.shape[1:]
        into = layer.in_channels or self.layers[layer.inputs[0]].out_channels
        self.layers.append(layer._replace(in_channels=into, out_channels=channels, size=tuple(size)))
        self._made(out, len(self.layers) - 1)

    def _made(self, out: Tensor, number: int) -> None:
        self.made_by[id(out)] = number
        self.alive.append(out)

    def used(self, result: Tensor) -> list[Layer]:
        """The layers up to `result`, without the inner links of chains of sums."""
        waiting, seen = [self.made_by[id(result)]], set[int]()
        while waiting:
            number = waiting.pop()
            if number not in seen:
                seen.add(number)
                waiting += self.layers[number].inputs
        order = {number: place for place, number in enumerate(sorted(seen))}
        return [self.layers[n]._replace(inputs=tuple(order[i] for i in self.layers[n].inputs)) for n in order]


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def read_table() -> dict[str, Layer]:
    """The authors' layers by name, in their order."""
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    place = {row["layer"]: number for number, row in enumerate(rows)}
    return {row["layer"]: _read_row(row, place) for row in rows}


def _read_row(row: dict[str, str], place: dict[str, int]) -> Layer:
    def numbers(column: str) -> tuple[int, ...]:
        values = tuple(int(v) for v in row[column].split("x")) if row[column] else ()
        return values * 2 if len(values) == 1 else values

    if row["kind"] == "input":
        return Layer("input", out_channels=int(row["out_channels"]), size=numbers("output_hxw"))
    sizes = {} if row["kind"] == "resize" else {c: numbers(c) for c in ("kernel", "stride", "padding", "dilation")}
    return Layer(
        row["kind"],
        int(row["in_channels"]),
        int(row["out_channels"]),
        bias=row["bias"] == "yes",
        batch_norm=row["batch_norm"] == "yes",
        relu=row["relu"] == "yes",
        size=numbers("output_hxw"),
        inputs=tuple(place[name] for name in row["inputs"].split("+")),
        **sizes,
    )


def classifier_first(table: dict[str, Layer]) -> list[Layer]:
    """The table after the one exact rewriting: conv6_cls at 129x257, then the x2 resize of its 19 channels."""
    out = dict(table)
    order = list(table)
    total, resize, classify = (order.index(n) for n in ("sub12_sum", "sub12_sum_interp", "conv6_cls"))
    out["conv6_cls"] = out["conv6_cls"]._replace(size=(129, 257), inputs=(total,))
    out["sub12_sum_interp"] = out["sub12_sum_interp"]._replace(in_channels=19, out_channels=19, inputs=(classify,))
    out["conv6_interp"] = out["conv6_interp"]._replace(inputs=(resize,))
    return list(out.values())


def alone(layers: Sequence[Layer]) -> Counter[Layer]:
    """The layers without their wiring, in any order."""
    return Counter(layer._replace(inputs=()) for layer in layers)


def wired(layers: Sequence[Layer]) -> Counter[int]:
    """A number for each layer that depends on the layer and on everything it reads, in whatever order they run."""

    @functools.cache
    def digest(number: int) -> int:
        layer = layers[number]
        return hash((layer._replace(inputs=()), tuple(sorted(digest(i) for i in layer.inputs))))

    return Counter(digest(number) for number in range(len(layers)))


def run_on_meta(width: float, align_corners: bool = False) -> tuple[list[Layer], Recorder]:
    with torch.device("meta"):
        net = ICNet(resnet50(width=width), num_classes=19, align_corners=align_corners).eval()
        images = torch.empty(1, 3, 1025, 2049)
    with torch.no_grad(), Recorder(images) as recorder:
        logits = net(images)
    return recorder.used(logits), recorder


def conv_parameters(width: float) -> int:
    """Weights and biases of all convolutions, the two guidance heads apart."""
    with torch.device("meta"):
        net = ICNet(resnet50(width=width), num_classes=19)
    return sum(
        p.numel()
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and not name.startswith("guide")
        for p in module.parameters()
    )


@pytest.mark.parametrize("align_corners", [False, True])
def test_every_layer_and_every_wire_is_the_authors(align_corners: bool) -> None:
    layers, recorder = run_on_meta(0.5, align_corners)
    expected = classifier_first(read_table())
    assert alone(layers) == alone(expected)
    assert wired(layers) == wired(expected)
    assert recorder.align_corners == {align_corners}


def test_the_wiring_is_compared_and_not_only_the_layers() -> None:
    expected = classifier_first(read_table())
    last = expected[-1]
    rewired = [*expected[:-1], last._replace(inputs=(last.inputs[0] - 1,))]
    assert alone(rewired) == alone(expected)
    assert wired(rewired) != wired(expected)


def test_forward_computes_nothing_that_its_result_does_not_need() -> None:
    layers, recorder = run_on_meta(0.5)
    convolutions = [layer for layer in recorder.layers if layer.kind == "conv"]
    assert len(convolutions) == len([layer for layer in layers if layer.kind == "conv"])


def test_the_table_of_the_test_adds_up_to_the_published_numbers() -> None:
    table = read_table().values()
    assert sum(layer.parameters for layer in table) == 6_671_443
    assert round(sum(layer.macs for layer in table) / 1e9, 2) == 29.81


@pytest.mark.parametrize(("width", "parameters"), [(0.5, 6_671_443), (1.0, 26_677_395)])
def test_parameters_of_the_convolutions_without_guidance_heads(width: float, parameters: int) -> None:
    assert conv_parameters(width) == parameters


@pytest.mark.parametrize(("width", "table_gmacs"), [(0.5, 29.81), (1.0, 117.47)])
def test_macs_are_the_tables_less_what_the_early_classifier_saves(width: float, table_gmacs: float) -> None:
    layers, _ = run_on_meta(width)
    macs = sum(layer.macs for layer in layers)
    saved = 19 * int(256 * width) * (257 * 513 - 129 * 257)
    assert round((macs + saved) / 1e9, 2) == table_gmacs
    if width == 0.5:
        assert round(macs / 1e9, 2) == 29.57
