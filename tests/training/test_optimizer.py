from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn
from torch.optim import Optimizer

from icnet.errors import ConfigError
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import resnet18
from icnet.training.optimizer import adamw, poly, sgd

Maker = Callable[..., Optimizer]


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)


def settings_of(optimizer: Optimizer, net: nn.Module) -> dict[str, tuple[float, float]]:
    """(rate, weight decay) of every parameter."""
    names = {id(p): name for name, p in net.named_parameters()}
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}


def rates(optimizer: Optimizer, total_steps: int, **settings: Any) -> list[float]:
    """The rate at each step of the run and after the last one."""
    scheduler = poly(optimizer, total_steps, **settings)
    seen = []
    for _ in range(total_steps + 1):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("maker", [sgd, adamw])
def test_only_weights_of_convolutions_and_linear_layers_decay(maker: Maker) -> None:
    net = Toy()
    assert settings_of(maker(net, lr=0.1, weight_decay=0.5), net) == {
        "conv.weight": (0.1, 0.5),
        "conv.bias": (0.1, 0.0),
        "bn.weight": (0.1, 0.0),
        "bn.bias": (0.1, 0.0),
        "head.weight": (0.1, 0.5),
        "head.bias": (0.1, 0.0),
    }


def test_every_parameter_of_the_network_is_optimized_once() -> None:
    net = ICNet(resnet18(width=0.125), 3)
    optimizer = sgd(net, frozenset({"classifier.weight"}), lr=0.1, new_layers_multiple=2)
    optimized = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(optimized) == sorted(id(p) for p in net.parameters())


def test_the_decay_of_the_network_spares_norms_and_biases() -> None:
    net = ICNet(resnet18(width=0.125), 3)
    decaying = {name for name, (_, decay) in settings_of(sgd(net, lr=0.1), net).items() if decay > 0}
    assert decaying == {name for name, p in net.named_parameters() if p.ndim == 4}


def test_the_papers_settings_are_the_defaults() -> None:
    optimizer = sgd(Toy(), lr=0.01)
    assert optimizer.defaults["momentum"] == 0.9
    assert max(group["weight_decay"] for group in optimizer.param_groups) == 1e-4


@pytest.mark.parametrize("maker", [sgd, adamw])
def test_layers_that_were_not_loaded_learn_at_a_multiple_of_the_rate(maker: Maker) -> None:
    net = Toy()
    loaded = frozenset({"conv.weight", "conv.bias", "bn.weight", "bn.bias"})
    found = settings_of(maker(net, loaded, lr=0.01, weight_decay=0.5, new_layers_multiple=10), net)
    assert {name: rate for name, (rate, _) in found.items()} == pytest.approx(
        {name: 0.01 if name in loaded else 0.1 for name, _ in net.named_parameters()}
    )
    assert found["head.weight"][1] == 0.5
    assert found["head.bias"][1] == 0.0


def test_where_nothing_was_loaded_the_multiple_has_no_meaning() -> None:
    net = Toy()
    found = settings_of(sgd(net, lr=0.01, new_layers_multiple=10), net)
    assert {rate for rate, _ in found.values()} == {0.01}


def test_the_rate_that_is_logged_is_the_plain_one() -> None:
    """The log shows the first group."""
    optimizer = sgd(Toy(), frozenset({"conv.weight", "conv.bias"}), lr=0.01, new_layers_multiple=10)
    assert optimizer.param_groups[0]["lr"] == 0.01


def test_poly_by_hand() -> None:
    found = rates(sgd(Toy(), lr=0.01), 10)
    assert found[0] == 0.01
    assert found[5] == pytest.approx(0.01 * 0.5**0.9)
    assert found[5] == pytest.approx(0.0053589, rel=1e-4)
    assert found[9] == pytest.approx(0.01 * 0.1**0.9)
    assert found[10] == 0.0
    assert rates(sgd(Toy(), lr=1.0), 4, power=2.0) == pytest.approx([1, 9 / 16, 4 / 16, 1 / 16, 0])


def test_poly_keeps_the_multiple_of_new_layers() -> None:
    optimizer = sgd(Toy(), frozenset({"conv.weight"}), lr=0.01, new_layers_multiple=10)
    scheduler = poly(optimizer, 2)
    optimizer.step()
    scheduler.step()
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([0.01 * 0.5**0.9, 0.1 * 0.5**0.9])


def test_the_warm_up_rises_linearly_and_joins_the_curve() -> None:
    found = rates(sgd(Toy(), lr=1.0), 8, power=1.0, warmup_steps=4, warmup_from=0.2)
    curve = [1 - step / 8 for step in range(9)]
    warm = [0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1]
    assert found == pytest.approx([w * c for w, c in zip(warm, curve, strict=True)])


def test_a_warm_up_that_is_no_shorter_than_the_run_becomes_a_tenth_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """Ten steps at power 0: one that warms up from a fifth, then the full rate."""
    found = rates(sgd(Toy(), lr=1.0), 10, power=0.0, warmup_steps=10, warmup_from=0.2)
    assert found == pytest.approx([0.2] + [1.0] * 10)
    assert "scheduler.warmup_steps is 10, the run has 10 steps: it warms up for 1" in caplog.text


def test_steps_beyond_the_last_have_rate_0() -> None:
    optimizer = sgd(Toy(), lr=1.0)
    scheduler = poly(optimizer, 2)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.0


@pytest.mark.parametrize("maker", [sgd, adamw])
@pytest.mark.parametrize("name", ["lr", "weight_decay", "new_layers_multiple"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused_by_name_and_value(maker: Maker, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"optimizer\.{name} is {value}"):
        maker(Toy(), **({"lr": 0.1} | {name: value}))


@pytest.mark.parametrize("settings", [{"momentum": -0.1}, {"momentum": math.nan}, {"momentum": 0, "nesterov": True}])
def test_a_momentum_that_is_none_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="momentum"):
        sgd(Toy(), lr=0.1, **settings)


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, -0.1), (0.9,)])
def test_betas_that_are_none_are_refused(betas: Any) -> None:
    with pytest.raises(ConfigError, match="betas"):
        adamw(Toy(), lr=0.1, betas=betas)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("power", -0.5),
        ("power", math.nan),
        ("warmup_steps", -1),
        ("warmup_from", -0.1),
        ("warmup_from", 1.5),
        ("warmup_from", math.nan),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_before_the_first_step(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"scheduler\.{name} is {value}"):
        poly(sgd(Toy(), lr=0.1), 10, **{name: value})  # type: ignore[arg-type]
