"""Callbacks of training, outside a Trainer."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from icnet.errors import ConfigError
from icnet.training.callbacks import MovingAverage


def averages(decay: float, values: list[float]) -> list[float]:
    """The average after each of these values of a network's only weight."""
    net = nn.Linear(1, 1, bias=False)
    average = AveragedModel(net, multi_avg_fn=MovingAverage(decay)._kwargs["multi_avg_fn"], use_buffers=True)
    seen = []
    for value in values:
        nn.init.constant_(net.weight, value)
        average.update_parameters(net)
        seen.append(average.module.weight.item())
    return seen


def test_the_average_starts_at_the_first_weights_and_forgets_them_soon() -> None:
    first = 2 / 11  # kept of the first one, when the second comes: (1 + 1) / (10 + 1)
    assert averages(0.999, [1.0, 0.0]) == pytest.approx([1.0, first])
    assert averages(0.999, [1.0, 0.0, 0.0]) == pytest.approx([1.0, first, first * 3 / 12])


def test_the_decay_is_the_most_that_is_kept() -> None:
    assert averages(0.1, [1.0, 0.0, 0.0]) == pytest.approx([1.0, 0.1, 0.01])


def test_whole_numbers_are_copied_not_averaged() -> None:
    net = nn.BatchNorm2d(1)
    average = AveragedModel(net, multi_avg_fn=MovingAverage(0.9)._kwargs["multi_avg_fn"], use_buffers=True)
    for _ in range(3):
        net(torch.randn(2, 1, 4, 4))
        average.update_parameters(net)
    assert average.module.num_batches_tracked.item() == 3


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_a_decay_that_averages_nothing_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"callbacks\.ema\.decay"):
        MovingAverage(decay)
