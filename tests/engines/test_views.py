"""Frames in, label maps out, by one pass or by the average of several."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from icnet.data.labels import ClassTable
from icnet.engines.engine import Card, Engine, check_size
from icnet.engines.views import Scheme, Views, probabilities, view
from icnet.errors import ConfigError, DataError
from icnet.predict import Predictor

CLASSES = ClassTable(["dark", "bright"], [[0, 0, 0], [255, 255, 255]])


class Brightness:
    """An engine: class 1 where red is above a half; class 0 elsewhere. Remembers the sizes it was given."""

    card = Card("made up", CLASSES, "sub124", "float32", align_corners=False, parameters=0)
    device = torch.device("cpu")
    exits = ("sub124",)

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def to(self, device: torch.device) -> Brightness:
        return self

    def at(self, exit: str) -> Brightness:
        return self

    def count_macs(self, size: tuple[int, int]) -> int:
        return size[0] * size[1]

    def label_maps(self, frames: Tensor) -> Tensor:
        return self.scores(frames).max(dim=1).indices.to(torch.uint8)

    def scores(self, frames: Tensor) -> Tensor:
        check_size(frames)
        self.seen.append(tuple(frames.shape[1:3]))
        red = frames[..., 0] / 255
        return torch.stack((0.5 - red, red - 0.5), dim=1)


class LeftHalf(Brightness):
    """Class 1 with certainty in the left half, class 0 with less certainty in the right: what mirroring tells apart."""

    def scores(self, frames: Tensor) -> Tensor:
        left = torch.arange(frames.shape[2]) < frames.shape[2] // 2
        scores = torch.where(left, 5.0, -1.0).expand(frames.shape[:3])
        return torch.stack((-scores, scores), dim=1)


def labels(engine: Engine, frame: np.ndarray, scheme: Scheme = Scheme()) -> np.ndarray:  # noqa: B008  immutable
    return Predictor(view(engine, scheme))(frame)


@pytest.fixture
def frame() -> np.ndarray:
    """64x96: black, white in a block of 24x36 at (20, 30)."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[20:44, 30:66] = 255
    return pixels


def white(frame: np.ndarray) -> np.ndarray:
    return (frame[..., 0] == 255).astype(np.uint8)


def test_a_frame_becomes_the_map_of_the_likeliest_classes(frame: np.ndarray) -> None:
    label_map = labels(Brightness(), frame)
    assert label_map.dtype == np.uint8
    np.testing.assert_array_equal(label_map, white(frame))


@pytest.mark.parametrize(
    "scheme",
    [
        Scheme(size=(128, 192)),
        Scheme(scales=(1.0, 2.0)),
        Scheme(flip=True),
        Scheme(window=(32, 32)),
        Scheme(window=(48, 200)),
        Scheme(size=(128, 192), scales=(0.5, 1.0), flip=True, window=(64, 64)),
    ],
)
def test_every_scheme_brings_the_pixels_back_to_their_places(scheme: Scheme, frame: np.ndarray) -> None:
    label_map = labels(Brightness(), frame, scheme)
    assert label_map.shape == frame.shape[:2]
    assert (label_map != white(frame)).mean() < 0.02  # a blended edge may move by a pixel
    assert label_map[32, 48] == 1
    assert label_map[10, 10] == 0


def test_the_network_reads_the_sizes_that_the_scheme_names(frame: np.ndarray) -> None:
    net = Brightness()
    labels(net, frame, Scheme(size=(128, 160), scales=(0.5, 1.0), flip=True))
    assert net.seen == [(64, 80), (64, 80), (128, 160), (128, 160)]


def test_windows_cover_the_frame_and_share_a_third() -> None:
    net = Brightness()
    frame = np.zeros((64, 160, 3), np.uint8)
    labels(net, frame, Scheme(window=(64, 64)))
    assert net.seen == [(64, 64)] * 4  # at 0, 32, 64, 96: (160 - 64) / (2/3 x 64) = 2.25 gaps, rounded up


@pytest.mark.parametrize(
    ("scheme", "macs"),
    [
        (Scheme(size=(50, 60)), 50 * 60),
        (Scheme(scales=(1.0, 0.75), flip=True), 2 * (64 * 96 + 48 * 72)),
        (Scheme(window=(64, 60)), 2 * 64 * 60),
        (Scheme(window=(200, 200), scales=(0.5,)), 32 * 48),
        (Scheme(size=(64, 64), window=(32, 64), flip=True), 2 * 3 * 32 * 64),
    ],
)
def test_the_work_of_a_scheme_is_that_of_all_that_the_network_reads(scheme: Scheme, macs: int) -> None:
    """The engine here has one multiplication a pixel."""
    engine = Brightness()
    labels(engine, np.zeros((64, 96, 3), np.uint8), scheme)
    assert Views(engine, scheme).count_macs((64, 96)) == sum(h * w for h, w in engine.seen) == macs


def test_a_mirrored_view_weighs_as_much_as_the_plain_one(frame: np.ndarray) -> None:
    """Left alone says class 1, right alone class 0 with less certainty: the average is class 1 everywhere."""
    assert labels(LeftHalf(), frame)[:, 60:].max() == 0
    assert labels(LeftHalf(), frame, Scheme(flip=True)).min() == 1


def test_the_default_scheme_is_the_engine_itself() -> None:
    engine = Brightness()
    assert view(engine, Scheme()) is engine
    assert isinstance(view(engine, Scheme(flip=True)), Views)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"size": (16, 64)}, "task.size is"),
        ({"size": 512}, "task.size is 512"),
        ({"window": (64,)}, "task.window is"),
        ({"scales": ()}, "task.scales is"),
        ({"scales": 1.0}, "task.scales is 1.0"),
        ({"scales": (0.0, 1.0)}, "task.scales is"),
    ],
)
def test_a_scheme_that_cannot_be_is_named(options: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Scheme(**options)  # type: ignore[arg-type]


def test_a_frame_that_is_too_small_for_its_scale_is_named(frame: np.ndarray) -> None:
    with pytest.raises(DataError, match="26x38"):
        labels(Brightness(), frame, Scheme(scales=(0.4,)))


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        labels(Brightness(), np.zeros((64, 64), np.uint8))


@pytest.mark.parametrize("scheme", [Scheme(), Scheme(size=(32, 32)), Scheme(flip=True), Scheme(scales=(1.0, 2.0))])
def test_probabilities_have_the_sum_one_however_many_views_there_are(scheme: Scheme) -> None:
    engine, frames = view(Brightness(), scheme), torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    shares = probabilities(engine, frames)
    assert torch.allclose(shares[:, 0], torch.tensor(1 / (1 + np.exp(-1)), dtype=torch.float32))  # logits 0.5 and -0.5
    assert torch.allclose(shares.sum(1), torch.ones(1, 64, 64))
