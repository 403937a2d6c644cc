"""Small data and in-process runs, shared by all tests."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict
from xdist.scheduler import LoadScopeScheduling

from icnet.cli import run_task
from icnet.data.labels import ClassTable
from icnet.files import conf_folder
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.resnet import resnet18
from icnet.streets.write import write_streets
from icnet.tasks.setup.build import build

Run = Callable[..., Path]

TINY = (
    "backbone=resnet18",
    "model.backbone.width=0.125",
    "model.fusion_channels=16",
    "data.crop_size=[64,64]",
    "data.batch_size=2",
    "data.num_workers=0",
    "trainer.accelerator=cpu",
    "trainer.max_steps=2",
    "trainer.precision=32-true",
    "trainer.log_every_n_steps=1",
)

PLAIN = ("data.prepare=null", "data.num_workers=0", "trainer.accelerator=cpu", "trainer.precision=32-true")


class OneProcessForWhatIsMadeOnce(LoadScopeScheduling):
    """Tests of a file with a module's fixture share a process, all others go where one is free.

    xdist's own `--dist loadgroup` finds no groups under pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return file if makes_once(self.config.rootpath / file) else nodeid


@functools.cache
def makes_once(file: Path) -> bool:
    return 'scope="module"' in file.read_text(encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, or one process would wait for them at the end."""
    items.sort(key=lambda item: item.path.name != "test_newcomer.py")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneProcessForWhatIsMadeOnce:
    return OneProcessForWhatIsMadeOnce(config, log)


@pytest.fixture(scope="session")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training and three validation scenes of 64x128, in the Cityscapes layout."""
    return write_streets(tmp_path_factory.mktemp("data") / "streets", train=6, val=3, size=(64, 128), seed=0)


def write_checkpoint(path: Path, classes: ClassTable, seed: int = 0, trunk: TrunkSpec | None = None) -> Path:
    """A tiny network of random weights that sees every class somewhere, as training would save it."""
    torch.manual_seed(seed)
    trunk = trunk or resnet18(width=0.125)
    net = ICNet(trunk, len(classes), 16)
    torch.nn.init.normal_(net.classifier.weight)
    about = {
        "architecture": net.architecture,
        "classes": classes.to_dict(),
        "preprocessing": Normalize(trunk.mean, trunk.std).to_dict(),
        "frame_size": [64, 128],
    }
    torch.save({"icnet": about, "state_dict": {f"net.{key}": value for key, value in net.state_dict().items()}}, path)
    return path


def shallow_trunk() -> TrunkSpec:
    """One block a stage, for what takes long for each layer: compiling."""
    spec = resnet18(width=0.125)
    return replace(spec, stages=tuple(stage[:1] for stage in spec.stages))


@pytest.fixture(scope="session")
def street_classes(tmp_path_factory: pytest.TempPathFactory) -> ClassTable:
    """The classes of the streets."""
    classes: ClassTable = build(compose_run([], tmp_path_factory.mktemp("none")).data.classes)
    return classes


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, street_classes: ClassTable) -> Path:
    """A network of random weights for the streets."""
    return write_checkpoint(tmp_path_factory.mktemp("trained") / "best.ckpt", street_classes)


def run_plain(folder: Path, root: Path, *overrides: str) -> dict[str, Any]:
    """Run a task of a trained network in this process, on the data in `root`; what results.json holds."""
    run_task(compose_run([*PLAIN, f"data.root={root}", *overrides], folder))
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


@pytest.fixture
def run_icnet(tmp_path: Path, streets: Path) -> Run:
    """Run a task in this process: run_icnet("trainer.max_steps=3") -> folder of the run.

    root: of the data, the tiny scenes by default. tiny: make network and run small.
    """

    def run_here(*overrides: str, folder: str = "run", tiny: bool = True, root: Path | None = None) -> Path:
        target = tmp_path / folder
        chosen = any(o.startswith("experiment=") for o in overrides)
        start = [] if chosen else ["data.prepare=null"]
        config = compose_run([*start, *(TINY if tiny else ()), f"data.root={root or streets}", *overrides], target)
        run_task(config)
        return target

    return run_here


def compose_run(overrides: list[str], folder: Path) -> DictConfig:
    """What hydra.main hands to the program, for a run in `folder`."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("config", overrides, return_hydra_config=True)
    folder.mkdir(parents=True, exist_ok=True)
    with open_dict(config):
        config.hydra.runtime.output_dir = str(folder)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config
