"""Callbacks of training, outside a Trainer."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from icnet.errors import ConfigError, ICNetError, Interrupted
from icnet.training.callbacks import MovingAverage, StopOnNonFinite
from icnet.training.progress import Progress


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


class Guarded:
    """A training on a device that is slow to answer, whose losses the guard sees; one of several processes."""

    def __init__(self, every: int = 10, is_first: bool = True, others: int | None = None) -> None:
        """others: the first step at which another process has a loss that is not finite."""
        strategy = SimpleNamespace(
            reduce=lambda step, reduce_op: step if others is None else step.clamp(max=others),
            reduce_boolean_decision=bool,
        )
        optimizer = SimpleNamespace(param_groups=[{"lr": 0.5}])
        self.trainer: Any = SimpleNamespace(
            strategy=strategy, optimizers=[optimizer], is_global_zero=is_first, global_step=0
        )
        self.module: Any = SimpleNamespace(device=torch.device("meta"))
        self.guard = StopOnNonFinite(every)

    def step(self, loss: float) -> None:
        self.trainer.global_step += 1
        self.guard.on_train_batch_end(self.trainer, self.module, {"loss": torch.tensor(loss)}, None, 0)

    def save(self, weight: float = 1.0) -> None:
        state = [{"state": {0: {"momentum": torch.tensor([0.0, weight])}}}]
        checkpoint = {"state_dict": {"net.steps": torch.tensor(3)}, "optimizer_states": state, "best": -math.inf}
        self.guard.on_save_checkpoint(self.trainer, self.module, checkpoint)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_checkpoint_after_a_loss_that_is_not_finite_is_not_written_and_the_step_is_named(loss: float) -> None:
    training = Guarded()
    training.step(1.0)
    training.save()
    for value in (1.0, loss, 1.0):
        training.step(value)
    with pytest.raises(ICNetError, match=r"the loss is not finite at step 3 \(lr 0\.5\)"):
        training.save()


def test_losses_are_looked_at_every_so_often_without_a_checkpoint() -> None:
    training = Guarded(every=3)
    training.step(math.nan)
    training.step(1.0)
    with pytest.raises(ICNetError, match="at step 1 "):
        training.step(1.0)


def test_weights_that_are_not_finite_are_not_written_though_the_loss_is() -> None:
    training = Guarded()
    training.step(1.0)
    with pytest.raises(ICNetError, match="not finite after step 1 "):
        training.save(weight=math.inf)


def test_all_processes_stop_where_one_of_them_has_such_a_loss_and_the_first_says_it() -> None:
    for is_first, error in ((True, ICNetError), (False, Interrupted)):
        training = Guarded(every=1, is_first=is_first, others=1)
        with pytest.raises(error, match="at step 1 "):
            training.step(1.0)


@pytest.mark.parametrize(
    ("every_steps", "every_epochs"), [(0, 1), (-1, 1), (0.5, 1), (None, 0), (None, 0.5), (None, None)]
)
def test_validations_that_cannot_be_are_refused_by_name(every_steps: Any, every_epochs: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"trainer\.(val_check_interval|check_val_every_n_epoch) is (0|-1|0\.5|None): give"
    ):
        Progress(every_steps, every_epochs)


def test_where_steps_are_counted_epochs_need_no_number() -> None:
    assert Progress(10, None).every_steps == 10
