"""Build the objects that the configuration describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from icnet.errors import ConfigError, ICNetError
from icnet.targets import say_error

_OF_VALUES = (TypeError, ValueError)


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
            raise _refuse(node, error.__cause__) from error
        raise
    except _OF_VALUES as error:
        raise _refuse(node, error) from error


def _refuse(node: DictConfig, error: BaseException) -> ConfigError:
    """What a constructor said, after the place of its settings where it does not name that itself."""
    place = str(node._get_full_key(None)) or "the configuration"  # private: _get_full_key (omegaconf 2.3)
    return ConfigError(str(error) if str(error).startswith(f"{place}.") else f"{place}: {error}")
