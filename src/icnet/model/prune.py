"""Cutting channels out of a network: which ones go together, how strong each is, and the smaller network without some."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from icnet.model.icnet import SMALLEST_INFERENCE, ICNet


@dataclass(frozen=True)
class Group:
    """Channels that are cut together, since the outputs of all their convolutions are added to each other.

    width: how many. The rest are names of modules: the convolutions whose filters write them (a depthwise one, which reads
    them too, among these), the batch norm of each of those, the convolutions that read them.
    """

    width: int
    writers: tuple[str, ...]
    norms: tuple[str, ...]
    readers: tuple[str, ...]

    @property
    def name(self) -> str:
        """That of the first convolution; the same after a cut."""
        return self.writers[0].removesuffix(".conv")


def find_groups(net: ICNet) -> list[Group]:
    """What can be cut, in the order of the forward pass: all channels but those of the image and of the classes.

    Found by following one pass. ValueError where something other than convolutions, batch norms and sums makes features.
    """
    followed = copy.deepcopy(net).eval()
    image = torch.zeros(1, 3, SMALLEST_INFERENCE, SMALLEST_INFERENCE, device=net.classifier.weight.device)
    follower = _Follower(followed, image)
    with follower, torch.no_grad():
        stages = followed.cascade(image)
    fixed = [follower.find(each) for each in (image, *stages)]
    return [
        Group(each.width, tuple(each.writers), tuple(each.norms), tuple(each.readers))
        for each in follower.made
        if each not in fixed
    ]


def measure_filters(net: ICNet, group: Group) -> Tensor:
    """(width,) L1 norm of all filters that write a channel (Li et al., ICLR 2017; paper, "Model compression").

    Of the filters as they are deployed, their batch norms merged into them: before one, a filter has no scale of its own.
    """
    strengths = torch.zeros(group.width, device=net.classifier.weight.device)
    for conv_name, norm_name in zip(group.writers, group.norms, strict=True):
        conv, norm = net.get_submodule(conv_name), net.get_submodule(norm_name)
        assert isinstance(norm, nn.BatchNorm2d)
        scale = norm.weight / (norm.get_buffer("running_var") + norm.eps).sqrt()
        strengths += conv.get_parameter("weight").flatten(1).abs().sum(dim=1) * scale.abs()
    return strengths.detach()


def choose_largest(scores: Tensor, count: int) -> Tensor:
    """The places of the `count` largest scores, in their order."""
    return scores.topk(count).indices.sort().values


def cut(net: ICNet, kept: Mapping[Group, Tensor]) -> ICNet:
    """The network with these channels alone (places in 0..width-1) in the groups that are named; `net` stays as it is.

    It is built from its own description, as a checkpoint of it will be. ValueError: the description of its trunk does not
    say the channels of each convolution.
    """
    cut_net = copy.deepcopy(net)
    for group, channels in kept.items():
        for name in (*group.writers, *group.norms):
            _keep_outputs(cut_net.get_submodule(name), channels)
        for name in group.readers:
            conv = cut_net.get_submodule(name)
            assert isinstance(conv, nn.Conv2d)
            conv.weight.data = conv.weight.data[:, channels]
            conv.in_channels = len(channels)
    try:
        described = ICNet.from_spec(cut_net.architecture)
        described.load_state_dict(cut_net.state_dict())
    except (RuntimeError, ValueError) as error:
        family = cut_net.architecture["backbone"]["family"]
        raise ValueError(f"a trunk of the family {family} cannot be cut: its description does not follow") from error
    return described.train(net.training)


def _keep_outputs(module: nn.Module, channels: Tensor) -> None:
    for values in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if values.ndim:  # BN's counter has no channels
            values.data = values.data[channels]
    if isinstance(module, nn.Conv2d):
        module.out_channels = len(channels)
        if module.groups > 1:
            module.in_channels = module.groups = len(channels)


@dataclass(eq=False)
class _Channels:
    """A group in the making."""

    width: int
    writers: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)


class _Follower(TorchFunctionMode):
    """Sees each function of a forward pass, and notes whose channels the feature maps have."""

    def __init__(self, net: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.owners = {id(value): pair for pair in net.named_modules() for value in pair[1].parameters(recurse=False)}
        self.made = [_Channels(image.shape[1])]  # in the order of the pass
        self.of = {id(image): self.made[0]}
        self.alive = [image]  # so that no other tensor gets the id of one

    def find(self, features: Tensor) -> _Channels:
        return self.of[id(features)]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [id(value) for value in _tensors((*args, *(kwargs or {}).values()))]
        read = [self.of[value] for value in given if value in self.of]
        if read and isinstance(out, Tensor):
            modules = dict(self.owners[value] for value in given if value in self.owners)
            channels = self._note(reduce(self._join, read), modules)
            if out.shape[1] != channels.width:
                raise ValueError(f"channels cannot be followed through {getattr(func, '__name__', func)}")
            self.of[id(out)] = channels
            self.alive.append(out)
        return out

    def _note(self, channels: _Channels, modules: Mapping[str, nn.Module]) -> _Channels:
        """The channels of what a function with the parameters of these modules makes of features."""
        for name, module in modules.items():
            if isinstance(module, nn.BatchNorm2d):
                channels.norms.append(name)
            elif isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels:
                channels.writers.append(name)
            elif isinstance(module, nn.Conv2d) and module.groups == 1:
                channels.readers.append(name)
                channels = _Channels(module.out_channels, [name])
                self.made.append(channels)
            else:
                raise ValueError(f"{name} ({type(module).__name__}) cannot be cut")
        return channels

    def _join(self, one: _Channels, other: _Channels) -> _Channels:
        """What is added has the same channels from now on."""
        if one is other:
            return one
        first, second = sorted((one, other), key=self.made.index)
        first.writers += second.writers
        first.norms += second.norms
        first.readers += second.readers
        self.made.remove(second)
        self.of = {key: first if channels is second else channels for key, channels in self.of.items()}
        return first


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
