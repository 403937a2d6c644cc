"""The notebooks: kept in git as their authors wrote them, and executed from the first cell to the last."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# Where a path of some machine begins
_PLACE = re.compile(r"(?<![\w.:/])(/(?!dev/null)[a-z]+/\w|[A-Z]:\\)")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@each_notebook
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    """In Jupyter: Edit, Clear Outputs of All Cells."""
    notebook = read(path)
    assert not outputs(notebook)
    assert not [cell.id for cell in notebook.cells if cell.get("execution_count")]


@each_notebook
def test_a_notebook_knows_no_machine(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell.id for cell in notebook.cells if _PLACE.search(cell.source)]


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_anywhere_and_leaves_its_folder_as_it_was(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ("TMPDIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "started")
    for place in places:
        (tmp_path / place).mkdir()
        monkeypatch.setenv(place, str(tmp_path / place))
    notebook = read(path)
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path / "started")}}).execute()
    shown = [output.data for output in outputs(notebook) if "data" in output]
    assert shown
    assert all("image/png" in data for data in shown), "a figure was shown by its name"
    assert not list((tmp_path / "started").iterdir())
