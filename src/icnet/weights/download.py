"""Weights by where they are: a path, a URL, a repository of the hub, an installed package; and the checksum in a name."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlparse

import torch

from icnet.errors import WeightsError
from icnet.files import make_folder, writing
from icnet.weights.hub import HUB, fetch_repository
from icnet.weights.wheels import WHEEL, find_wheel

log = logging.getLogger(__name__)

_CHECKSUM = re.compile(r"-([0-9a-f]{8,64})\.")  # torchvision's convention: resnet50-0676ba61.pth
_KINDS = ("sha256", "sha1")  # torchvision and OpenMMLab take the first, PyTorch-Encoding the second


def locate(source: str | Path) -> Path:
    """The file that is meant, downloaded where it is not here. WeightsError where a name carries another checksum."""
    text = str(source)
    if is_url(text):
        return fetch(text)
    if text.startswith(HUB):
        return fetch_repository(text.removeprefix(HUB))
    if text.startswith(WHEEL):
        return find_wheel(text.removeprefix(WHEEL))
    path = Path(source).expanduser()
    if path.is_file() and (fault := find_fault(path, path.name)) is not None:
        raise WeightsError(f"{path} is damaged ({fault}): download it again")
    return path


def is_url(source: str) -> bool:
    """Whether it is fetched by HTTP."""
    return urlparse(source).scheme in ("http", "https")


def fetch(url: str) -> Path:
    """The file of a URL, kept in torch's own cache. A torn or wrong one never gets its name.

    WeightsError names the URL and the place where the file may be laid by hand.
    """
    path = place_of(url)
    if path.is_file() and find_fault(path, path.name) is None:
        return path
    log.info("Downloading %s to %s", url, path)
    by_hand = f"download it by hand and put it at {path}, or give its path"
    make_folder(path.parent)
    with writing(path, f"{path.name}.{os.getpid()}.part") as part:
        _download(url, part, path.name, by_hand)
    return path


def _download(url: str, part: Path, name: str, by_hand: str) -> None:
    try:
        torch.hub.download_url_to_file(url, str(part), progress=sys.stderr.isatty())
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(f"{url} cannot be downloaded ({error or type(error).__name__}): {by_hand}") from error
    if (fault := find_fault(part, name)) is not None:
        raise WeightsError(
            f"{url} sent another or a torn file ({fault}), which is thrown away: try again, or {by_hand}"
        )


def place_of(url: str) -> Path:
    """Where the file of a URL is kept: under its name where that has a checksum, as torchvision does; else a folder each."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    name = Path(unquote(urlparse(url).path)).name or "weights"
    if checksum_in(name) is None:
        folder /= hashlib.sha256(url.encode()).hexdigest()[:16]
    return folder / name


def checksum_in(name: str) -> str | None:
    """The hexadecimal start of a file's checksum in its name; digits alone are a date or a step."""
    found = _CHECKSUM.search(name)
    return None if found is None or found[1].isdigit() else found[1]


def find_fault(path: Path, name: str) -> str | None:
    """How a file differs from the checksum in its name; None where it does not, or where that has none."""
    expected = checksum_in(name)
    if expected is None or any(digest(path, kind).startswith(expected) for kind in _KINDS):
        return None
    return f"its SHA-256 starts with {sha256(path)[:8]}, its name says {expected}; {path.stat().st_size} bytes"


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return digest(path, "sha256")


def digest(path: Path, kind: str) -> str:
    """A hexadecimal checksum of a file."""
    total = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()
