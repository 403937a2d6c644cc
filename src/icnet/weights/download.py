"""Weights by their URL: downloaded once into torch's own cache, and their checksum, where a name carries one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.error import URLError
from urllib.parse import unquote, urlparse

import torch

from icnet.errors import WeightsError

_CHECKSUM = re.compile(r"-([0-9a-f]{8,64})\.")  # torchvision's convention: resnet50-0676ba61.pth


def is_url(source: str) -> bool:
    """Whether it is fetched; all else is a path."""
    return urlparse(source).scheme in ("http", "https")


def fetch(url: str) -> Path:
    """The file of a URL, downloaded where it is not in the cache. A torn or wrong one is thrown away.

    WeightsError names the URL and the place where the file may be laid by hand.
    """
    path = place_of(url)
    if path.is_file():
        return path
    checksum = checksum_in(path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), checksum, progress=False)
    except (URLError, OSError, RuntimeError, ValueError) as error:  # RuntimeError: another checksum
        raise WeightsError(
            f"{url} cannot be downloaded ({error}): download it by hand and put it at {path}, or give its path"
        ) from error
    return path


def place_of(url: str) -> Path:
    """Where the file of a URL is kept: under its name where that has a checksum, as torchvision does; else a folder each."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    name = Path(unquote(urlparse(url).path)).name or "weights"
    if checksum_in(name) is None:
        folder /= hashlib.sha256(url.encode()).hexdigest()[:16]
    return folder / name


def checksum_in(name: str) -> str | None:
    """The hexadecimal start of a file's SHA-256 in its name; digits alone are a date or a step."""
    found = _CHECKSUM.search(name)
    return None if found is None or found[1].isdigit() else found[1]


def verify_checksum(path: Path) -> None:
    """Compare a file with the checksum in its name, where it has one."""
    expected = checksum_in(path.name)
    if expected is None or not path.is_file():
        return
    digest = sha256(path)
    if not digest.startswith(expected):
        raise WeightsError(
            f"{path} is damaged: its SHA-256 starts with {digest[:8]}, its name says {expected}; download it again"
        )


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
