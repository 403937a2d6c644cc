"""icnet: real-time semantic segmentation of high-resolution street scenes with ICNet."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icnet.model.icnet import CascadeLogits as CascadeLogits
    from icnet.model.icnet import ICNet as ICNet
    from icnet.model.trunks.resnet import resnet18 as resnet18
    from icnet.model.trunks.resnet import resnet34 as resnet34
    from icnet.model.trunks.resnet import resnet50 as resnet50
    from icnet.model.trunks.resnet import resnet101 as resnet101
    from icnet.objectives.cascade import OHEM as OHEM
    from icnet.objectives.cascade import CascadeLoss as CascadeLoss
    from icnet.predict import Predictor as Predictor
    from icnet.weights.checkpoint import load_checkpoint as load_checkpoint

_HOME = {
    "CascadeLogits": "icnet.model.icnet",
    "CascadeLoss": "icnet.objectives.cascade",
    "ICNet": "icnet.model.icnet",
    "OHEM": "icnet.objectives.cascade",
    "Predictor": "icnet.predict",
    "load_checkpoint": "icnet.weights.checkpoint",
    "resnet18": "icnet.model.trunks.resnet",
    "resnet34": "icnet.model.trunks.resnet",
    "resnet50": "icnet.model.trunks.resnet",
    "resnet101": "icnet.model.trunks.resnet",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load a public name on first use: `import icnet.cli` costs no torch, `from icnet import ICNet` torch alone."""
    if name not in _HOME:
        raise AttributeError(f"module 'icnet' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
