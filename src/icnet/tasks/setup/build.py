"""Build the objects that the configuration describes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from icnet.data.labels import ClassTable
from icnet.errors import ConfigError, ICNetError
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import BackboneSpec
from icnet.targets import say_error
from icnet.weights.checkpoint import Loaded, load_backbone, load_weights

log = logging.getLogger(__name__)

_OF_VALUES = (TypeError, ValueError, MisconfigurationException)


def run_folder() -> Path:
    """The folder of this run."""
    return Path(HydraConfig.get().runtime.output_dir)


def build(node: DictConfig, **objects: Any) -> Any:
    """Hydra's instantiate, with lists and dicts plain, whose errors say what the user can mend.

    objects: arguments made at run time. They bypass Hydra, which would turn dataclasses into dictionaries.
    """
    try:
        if objects:
            return instantiate(node, _convert_="all", _partial_=True)(**objects)
        return instantiate(node, _convert_="all")
    except OmegaConfBaseException as error:
        raise ConfigError(say_error(error)) from error
    except InstantiationException as error:
        if isinstance(error.__cause__, ICNetError):
            raise error.__cause__ from None
        if isinstance(error.__cause__, _OF_VALUES):
            raise ConfigError(f"{_place(node)}: {error.__cause__}") from error
        raise
    except _OF_VALUES as error:
        raise ConfigError(f"{_place(node)}: {error}") from error


def _place(node: DictConfig) -> str:
    return str(node._get_full_key(None)) or "the configuration"


def build_network(cfg: DictConfig, classes: ClassTable) -> tuple[ICNet, Loaded]:
    """The network of the configuration, with the weights that it names."""
    backbone = build_backbone(cfg)
    try:
        net = ICNet(backbone, len(classes), cfg.model.fusion_channels, cfg.model.align_corners)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error
    loaded = start_backbone(cfg, net)
    if cfg.task.weights:
        loaded = load_weights(net, cfg.task.weights)
        log.info("Weights from %s; %s", cfg.task.weights, _say_fresh(loaded))
    if cfg.model.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net, loaded


def start_backbone(cfg: DictConfig, net: nn.Module) -> Loaded:
    """Load model.backbone.weights, if there are any."""
    if not cfg.model.backbone.weights:
        return Loaded(frozenset(), ())
    log.info("Backbone from %s", cfg.model.backbone.weights)
    return load_backbone(net, cfg.model.backbone.weights)


def build_backbone(cfg: DictConfig) -> BackboneSpec:
    """The trunk's specification; its weights are loaded into the network later."""
    node = OmegaConf.masked_copy(cfg.model.backbone, [k for k in cfg.model.backbone if k != "weights"])
    spec: BackboneSpec = build(node)
    return spec


def _say_fresh(loaded: Loaded) -> str:
    return f"these start anew: {', '.join(loaded.fresh)}" if loaded.fresh else "all layers fit"
