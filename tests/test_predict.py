"""Predictor: frames in, label maps out, by one pass or by the average of several."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from icnet.errors import ConfigError, DataError
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunks.resnet import resnet18
from icnet.predict import Predictor, Scheme

PLAIN = Normalize((0, 0, 0), (1, 1, 1))


class Brightness(nn.Module):
    """Class 1 where red is above a half; class 0 elsewhere. Remembers the sizes it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.anything = nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(tuple(images.shape[-2:]))
        return torch.stack((0.5 - images[:, 0], images[:, 0] - 0.5), dim=1)


class LeftHalf(Brightness):
    """Class 1 with certainty in the left half, class 0 with less certainty in the right: what mirroring tells apart."""

    def forward(self, images: Tensor) -> Tensor:
        left = torch.arange(images.shape[-1]) < images.shape[-1] // 2
        scores = torch.where(left, 5.0, -1.0).expand(images.shape[0], *images.shape[-2:])
        return torch.stack((-scores, scores), dim=1)


@pytest.fixture
def frame() -> np.ndarray:
    """64x96: black, white in a block of 24x36 at (20, 30)."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[20:44, 30:66] = 255
    return pixels


def white(frame: np.ndarray) -> np.ndarray:
    return (frame[..., 0] == 255).astype(np.uint8)


def test_a_frame_becomes_the_map_of_the_likeliest_classes(frame: np.ndarray) -> None:
    label_map = Predictor(Brightness(), PLAIN)(frame)
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
    label_map = Predictor(Brightness(), PLAIN, scheme)(frame)
    assert label_map.shape == frame.shape[:2]
    assert (label_map != white(frame)).mean() < 0.02  # a blended edge may move by a pixel
    assert label_map[32, 48] == 1
    assert label_map[10, 10] == 0


def test_the_network_reads_the_sizes_that_the_scheme_names(frame: np.ndarray) -> None:
    net = Brightness()
    Predictor(net, PLAIN, Scheme(size=(128, 160), scales=(0.5, 1.0), flip=True))(frame)
    assert net.seen == [(64, 80), (64, 80), (128, 160), (128, 160)]


def test_windows_cover_the_frame_and_share_a_third() -> None:
    net = Brightness()
    frame = np.zeros((64, 160, 3), np.uint8)
    Predictor(net, PLAIN, Scheme(window=(64, 64)))(frame)
    assert net.seen == [(64, 64)] * 4  # at 0, 32, 64, 96: (160 - 64) / (2/3 x 64) = 2.25 gaps, rounded up


def test_a_mirrored_view_weighs_as_much_as_the_plain_one(frame: np.ndarray) -> None:
    """Left alone says class 1, right alone class 0 with less certainty: the average is class 1 everywhere."""
    assert Predictor(LeftHalf(), PLAIN)(frame)[:, 60:].max() == 0
    assert Predictor(LeftHalf(), PLAIN, Scheme(flip=True))(frame).min() == 1


def test_the_default_scheme_is_one_forward_pass() -> None:
    torch.manual_seed(0)
    net = ICNet(resnet18(width=0.125), num_classes=5, fusion_channels=16).eval()
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    predictor = Predictor(net)
    with torch.inference_mode():
        expected = net(predictor.normalize(torch.from_numpy(frame)[None])).argmax(dim=1)[0]
    np.testing.assert_array_equal(predictor(frame), expected.numpy())


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
        Predictor(Brightness(), PLAIN, Scheme(scales=(0.4,)))(frame)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        Predictor(Brightness(), PLAIN)(np.zeros((64, 64), np.uint8))
