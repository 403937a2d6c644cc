"""Private names of other packages are marked where they are used, and listed beside the ranges in pyproject.toml."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import icnet

PACKAGE = Path(icnet.__file__).parent
PROJECT = Path(__file__).parent.parent
NEAR = 4  # lines above a use in which its mark may stand
PUBLIC = {"_asdict", "_exit", "_fields", "_replace", "_target_"}  # in spite of their underscore


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def own_names() -> set[str]:
    """Private names that the package defines itself."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
    return found


def uses() -> Iterator[tuple[str, str, str]]:
    """(where, name, mark or nothing) of each private name that is not the package's own."""
    own = own_names()
    for path in sorted(PACKAGE.rglob("*.py")):
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in own:
                name = node.attr
            elif isinstance(node, ast.ImportFrom) and "_internal" in (node.module or ""):
                name = node.names[0].name
            else:
                continue
            above = "\n".join(lines[max(0, node.lineno - 1 - NEAR) : node.lineno])
            marks = re.findall(r"# private: (.*)", above)
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}", name, marks[-1] if marks else ""


def test_a_private_name_of_another_package_is_marked_where_it_is_used() -> None:
    found = list(uses())
    assert len(found) >= 8
    assert [(where, name) for where, name, mark in found if name not in mark] == []


def test_the_ranges_say_which_private_names_hold_them() -> None:
    listed = (PROJECT / "pyproject.toml").read_text().partition("dependencies = [")[0]
    missing = [name for _, name, _ in uses() if name not in listed]
    assert missing == []
