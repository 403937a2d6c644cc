"""Write a traced program as torch.export's own file, which needs torch alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.export import ExportedProgram

from icnet.engines.facts import KEY, Facts

FILES = ("model.pt2",)


def write(program: ExportedProgram, output: str, path: Path, half: bool) -> None:
    """The program as it is: its names and its precision are inside."""
    torch.export.save(program, path)


def stamp(path: Path, facts: Facts) -> None:
    """Write what the file says of itself into it."""
    torch.export.save(torch.export.load(path), path, extra_files={KEY: facts.to_text()})
