"""Who may import whom, read from the import lines of the package."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import icnet

PACKAGE = Path(icnet.__file__).parent
HEAVY = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "wandb", "albumentations"}

OF_EXPORTS = {"onnx", "onnxscript", "onnxruntime", "openvino", "nncf"}

# Parts of the package from the bottom up; those of one line may import each other where that makes no circle
LAYERS = (
    ("errors", "files", "processes", "signals"),
    ("model", "metrics", "data", "streets"),
    ("objectives", "weights"),
    ("engines", "visualize"),
    ("predict",),
    ("training", "deploy", "report", "tracking"),
    ("config", "arguments", "targets", "sweep"),
    ("tasks",),
    ("cli",),
    ("__main__",),
)
LEVEL = {part: level for level, layer in enumerate(LAYERS) for part in layer}

# What each part must not know; the door of the package, its __init__, loads on demand and is tested by running it
FORBIDDEN = {
    "errors": HEAVY | {"torch", "cv2", "numpy"},
    "files": HEAVY | {"torch", "cv2", "numpy"},
    "processes": HEAVY | {"torch", "cv2", "numpy"},
    "model": HEAVY | {"cv2", "torchvision", "torchmetrics"},
    "signals": HEAVY | {"torch", "cv2", "numpy"},
    "objectives": HEAVY | {"cv2"},
    "metrics": HEAVY,
    "weights": HEAVY | {"cv2"},
    "deploy": HEAVY,
    "engines": HEAVY,
    "data": HEAVY - {"albumentations"},
    "streets": HEAVY | {"torch"},
    "visualize": HEAVY,
    "predict": HEAVY,
    "report": HEAVY,
    "training": HEAVY - {"pytorch_lightning", "lightning"},
    "tracking": HEAVY - {"pytorch_lightning", "lightning", "wandb"},
    "config": HEAVY - {"hydra", "omegaconf"},
    "arguments": HEAVY - {"hydra", "omegaconf"},
    "targets": HEAVY - {"hydra"},
    "sweep": HEAVY - {"hydra", "omegaconf"},
    "tasks": {"albumentations"},
    "cli": {"wandb", "albumentations", "torch"},
    "__main__": HEAVY | {"torch", "cv2", "numpy"},
}


class Import(NamedTuple):
    """One imported name: `from module import name`, or `import module` with no name."""

    file: Path
    line: int
    module: str
    name: str | None
    level: int

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    @property
    def target(self) -> str:
        """The module that is loaded: `from icnet.data import labels` loads icnet.data.labels."""
        whole = f"{self.module}.{self.name}"
        return whole if self.name and is_module(whole) else self.module

    def __str__(self) -> str:
        return f"{self.file.relative_to(PACKAGE)}:{self.line} imports {self.module}" + (
            f".{self.name}" if self.name else ""
        )


def is_module(name: str) -> bool:
    path = PACKAGE.parent / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """`data` of icnet.data.labels."""
    return module.split(".")[1]


def read_imports(file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, None, 0)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(file, node.lineno, node.module or "", alias.name, node.level)


@cache
def all_imports() -> tuple[Import, ...]:
    files = [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]
    return tuple(found for file in files for found in read_imports(file))


def inside() -> list[Import]:
    return [i for i in all_imports() if i.top == "icnet"]


def lines(imports: list[Import]) -> str:
    return "\n".join(map(str, imports))


def test_every_part_of_the_package_has_a_place_in_the_order() -> None:
    parts = {part_of(module_of(file)) for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py"}
    assert parts - LEVEL.keys() == set(), "give them a line in LAYERS and a row in FORBIDDEN"
    assert LEVEL.keys() == FORBIDDEN.keys()


def test_no_part_imports_from_a_part_above_it() -> None:
    upward = [
        i for i in inside() if i.target.count(".") > 0 and LEVEL[part_of(i.target)] > LEVEL[part_of(module_of(i.file))]
    ]
    assert not upward, lines(upward)


def test_no_part_knows_a_library_that_is_not_its_business() -> None:
    known = [i for i in all_imports() if i.top in FORBIDDEN[part_of(module_of(i.file))]]
    assert not known, lines(known)


def test_albumentations_stands_behind_one_file() -> None:
    """It asks the network when it is imported, unless told before not to, and its successor has another license."""
    files = {i.file.name for i in all_imports() if i.top == "albumentations"}
    assert files == {"transforms.py"}


def test_what_only_unix_has_stands_behind_one_file() -> None:
    """A pack locks the very file that it writes; elsewhere filelock locks, on Windows too."""
    files = {str(i.file.relative_to(PACKAGE)) for i in all_imports() if i.top == "fcntl"}
    assert files == {"data/pack/write.py"}


def test_wandb_stands_behind_the_files_that_show_something_in_it() -> None:
    files = {i.file.name for i in all_imports() if i.top == "wandb"}
    assert files == {"wandb_run.py", "wandb_file.py", "dashboard.py"}


@pytest.mark.slow
def test_a_run_without_wandb_does_not_load_it() -> None:
    assert "wandb" not in loaded_after("import icnet.tasks.train, icnet.tracking.wandb_run, icnet.tracking.dashboard")


def test_what_runs_and_writes_exported_files_is_known_to_engines_and_deploy_alone() -> None:
    known = [
        i for i in all_imports() if i.top in OF_EXPORTS and part_of(module_of(i.file)) not in ("engines", "deploy")
    ]
    assert not known, lines(known)


@pytest.mark.slow
def test_no_task_loads_it_before_a_file_asks_for_it() -> None:
    tasks = (
        "icnet.tasks.export.export, icnet.tasks.evaluate.evaluate, icnet.tasks.benchmark.benchmark, icnet.tasks.train"
    )
    assert loaded_after(f"import {tasks}") & OF_EXPORTS == set()


def test_the_hub_stands_behind_one_file() -> None:
    files = {i.file.name for i in all_imports() if i.top in ("huggingface_hub", "safetensors")}
    assert files == {"hub.py"}


def test_nothing_is_imported_relatively() -> None:
    relative = [i for i in all_imports() if i.level > 0]
    assert not relative, lines(relative)


def test_names_come_from_the_file_that_defines_them_and_not_from_an_init() -> None:
    from_init = [
        i for i in inside() if (PACKAGE.parent / Path(*i.target.split("."))).is_dir() and i.name != "__version__"
    ]
    assert not from_init, lines(from_init)


def test_the_files_import_one_another_without_a_circle() -> None:
    needs: dict[str, set[str]] = {module_of(file): set() for file in PACKAGE.rglob("*.py")}
    for found in inside():
        needs[module_of(found.file)].add(found.target)
    while free := {module for module, others in needs.items() if not others & needs.keys()}:
        needs = {module: others for module, others in needs.items() if module not in free}
    assert not needs


def loaded_after(statement: str) -> set[str]:
    """The top packages that a fresh Python has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.split())


def test_the_network_costs_torch_alone() -> None:
    loaded = loaded_after("from icnet import ICNet, resnet50, CascadeLoss, load_checkpoint")
    assert "torch" in loaded
    assert loaded & {"pytorch_lightning", "hydra", "omegaconf", "wandb", "cv2", "albumentations", "matplotlib"} == set()


@pytest.mark.parametrize(
    "statement", ["import icnet", "import icnet.errors", "import icnet.cli", "import icnet.__main__"]
)
def test_what_the_command_line_needs_at_first_costs_no_torch(statement: str) -> None:
    heavy = {"torch", "pytorch_lightning", "wandb", "cv2", "albumentations", "matplotlib"}
    assert loaded_after(statement) & heavy == set()


def test_every_public_name_is_there_and_no_other() -> None:
    for name in icnet.__all__:
        assert getattr(icnet, name).__name__ == name
    assert set(icnet.__all__) <= set(dir(icnet))
    with pytest.raises(AttributeError, match="ICNett"):
        _ = icnet.ICNett  # type: ignore[attr-defined]
