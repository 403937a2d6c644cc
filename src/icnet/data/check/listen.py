"""What libjpeg says while it decodes: it prints to stderr, and names no file."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

_ONE_AT_A_TIME = threading.Lock()
_STDERR = 2
_HARMLESS = b"extraneous bytes"  # which some cameras leave between the parts of a file


def hear(step: Callable[[], Result]) -> tuple[Result, str]:
    """What `step` returns, and what libjpeg printed in it of data that are lost. What others print goes where it should."""
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as heard:
        kept = os.dup(_STDERR)
        os.dup2(heard.fileno(), _STDERR)
        try:
            result = step()
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
        heard.seek(0)
        lines = heard.read().splitlines(keepends=True)
    said = [line for line in lines if b"JPEG" in line]
    os.write(_STDERR, b"".join(line for line in lines if line not in said))
    said = [line for line in said if _HARMLESS not in line]
    return result, b" ".join(said).decode(errors="replace").strip()
