"""The network that a run trains: from the configuration or from a file, with the weights that it starts from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from icnet.errors import ConfigError, WeightsError
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunk import Trunk, TrunkSpec
from icnet.tasks.setup.build import build
from icnet.training.datamodule import SegmentationDataModule
from icnet.weights.checkpoint import Source, read_source
from icnet.weights.published import find_published, list_published
from icnet.weights.start import Loaded, Weights, load_trunk, load_weights, read_weights

log = logging.getLogger(__name__)

ARCHITECTURES = ("config", "file")
_IMAGENET, _LIST = "imagenet", "list"


class Network(NamedTuple):
    """A network and how it reads frames. loaded: the names of its parameters that do not start anew."""

    net: ICNet
    normalize: Normalize
    loaded: frozenset[str]


def build_network(cfg: DictConfig, data: SegmentationDataModule) -> Network:
    """As model and task.architecture say, with the weights of task.weights and model.backbone.weights.

    A resumed run asks none of these: its checkpoint has all of them.
    """
    if cfg.task.architecture not in ARCHITECTURES:
        raise ConfigError(f"task.architecture is {cfg.task.architecture!r}: choose {' or '.join(ARCHITECTURES)}")
    last = Path(cfg.task.resume or "") / "checkpoints" / "last.ckpt"
    if cfg.task.resume and last.is_file():
        source = read_source(last)
        network = _describe(source, len(data.classes), source.loaded)
        data.bit_depth = network.normalize.bit_depth
    else:
        network = _start(cfg, data)
    if cfg.model.channels_last:
        network.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.normalize.channels_last = cfg.model.channels_last
    return network


def _start(cfg: DictConfig, data: SegmentationDataModule) -> Network:
    weights = read_weights(cfg.task.weights) if cfg.task.weights else None
    if cfg.task.architecture == "config":
        network = _configure(cfg, data)
    elif weights is not None and weights.source is not None:
        network = _describe(weights.source, len(data.classes))
    else:
        raise ConfigError(
            f"task.architecture=file takes the network from task.weights, which is {cfg.task.weights}: give a checkpoint of "
            "icnet"
        )
    loaded = _load(cfg, network.net, weights, data.classes.names)
    if weights is not None and weights.source is not None:
        _compare(weights.source.normalize, network.normalize)
    return network._replace(loaded=loaded.loaded)


def _describe(source: Source, num_classes: int, loaded: Sequence[str] = ()) -> Network:
    """The network and the preprocessing of a file, with as many classes as the data have; its weights at random."""
    return Network(source.build_bare(num_classes), source.normalize, frozenset(loaded))


def _configure(cfg: DictConfig, data: SegmentationDataModule) -> Network:
    """The network of `model`; it reads frames as its trunk is used to, where the data do not say otherwise."""
    trunk = build_trunk(cfg)
    try:
        model = cfg.model
        net = ICNet(trunk, len(data.classes), model.fusion_channels, model.align_corners, fusion=model.fusion)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model: {error}") from error
    return Network(net, Normalize(data.mean or trunk.mean, data.std or trunk.std), frozenset())


def build_trunk(cfg: DictConfig) -> TrunkSpec:
    """The trunk's specification; its weights are loaded into the network later."""
    node = OmegaConf.masked_copy(cfg.model.backbone, [k for k in cfg.model.backbone if k != "weights"])
    spec: TrunkSpec = build(node)
    return spec


def _load(cfg: DictConfig, net: ICNet, weights: Weights | None, class_names: Sequence[str]) -> Loaded:
    """task.weights has the trunk, too."""
    if weights is not None:
        loaded = load_weights(net, weights, class_names)
        log.info("Weights from %s; %s", cfg.task.weights, _say(loaded))
        return loaded
    return start_trunk(cfg, net, net.backbone)


def _compare(theirs: Normalize, ours: Normalize) -> None:
    """Weights learn anew for other frames, and do so soon: a warning."""
    if not (torch.equal(theirs.mean, ours.mean) and torch.equal(theirs.std, ours.std)):
        words = "task.weights was trained on frames of %s and goes on with %s; task.architecture=file keeps the former"
        log.warning(words, theirs.to_dict(), ours.to_dict())


def start_trunk(cfg: DictConfig, net: nn.Module, trunk: Trunk) -> Loaded:
    """Load model.backbone.weights, if there are any, into the trunk of a network."""
    if not cfg.model.backbone.weights:
        return Loaded()
    try:
        source = choose_trunk_weights(cfg.model.backbone.weights, trunk.spec())
        loaded = load_trunk(net, trunk, read_weights(source))
    except WeightsError as error:
        raise WeightsError(f"{error}; model.backbone.weights=null starts from scratch") from error
    log.info("Backbone from %s", source)
    return loaded


def wants_list(cfg: DictConfig) -> bool:
    """Whether model.backbone.weights=list asks for nothing but what weights there are, which are printed."""
    if cfg.model.backbone.weights != _LIST:
        return False
    print(list_published(build_trunk(cfg)))
    return True


def choose_trunk_weights(wanted: str, spec: TrunkSpec) -> str:
    """model.backbone.weights= as a path or URL."""
    return find_published(spec).url if wanted == _IMAGENET else wanted


def _say(loaded: Loaded) -> str:
    words = f"these start anew: {', '.join(loaded.fresh)}" if loaded.fresh else "all layers fit"
    return words + (f"; left out of the file: {', '.join(loaded.left_out)}" if loaded.left_out else "")
