from __future__ import annotations

import json

import pytest
import torch

from icnet.model.preprocess import IMAGENET_MEAN, IMAGENET_STD, Normalize


def test_the_mean_becomes_0_and_one_deviation_more_becomes_1() -> None:
    frames = torch.tensor([[[[100, 50, 25], [110, 70, 65]]]], dtype=torch.uint8)
    normalize = Normalize(mean=[100 / 255, 50 / 255, 25 / 255], std=[10 / 255, 20 / 255, 40 / 255])
    images = normalize(frames)
    assert images.shape == (1, 3, 1, 2)
    assert images.dtype == torch.float32
    assert torch.allclose(images, torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2), atol=1e-5)


def test_red_comes_first() -> None:
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(1, 1, 1, 3)
    values = Normalize()(red).flatten().tolist()
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    assert values == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_memory_layout_is_chosen_and_changes_no_value(channels_last: bool) -> None:
    frames = torch.randint(256, (2, 6, 5, 3), dtype=torch.uint8)
    images = Normalize(channels_last=channels_last)(frames)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert images.is_contiguous(memory_format=layout)
    assert torch.equal(images, Normalize(channels_last=not channels_last)(frames))


def test_its_numbers_are_plain_and_exact_in_a_checkpoint() -> None:
    plain = Normalize().to_dict()
    assert json.loads(json.dumps(plain)) == {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    assert Normalize().state_dict() == {}


def test_what_a_checkpoint_says_of_it_makes_the_same_to_the_bit() -> None:
    frames = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    first = Normalize([127 / 255] * 3, [128 / 255] * 3)
    again = Normalize(**json.loads(json.dumps(first.to_dict())))
    assert torch.equal(again(frames), first(frames))
