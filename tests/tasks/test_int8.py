"""task=export task.precision=int8 on tiny scenes and random weights, and the kit on a bare machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import PLAIN, write_checkpoint
from tests.conftest import run_plain as run
from tests.kill_and_resume import ROOT

from icnet.data.labels import ClassTable
from icnet.deploy.export import Order, write_file
from icnet.engines.exported import open_exported
from icnet.errors import ConfigError, DataError
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.weights.checkpoint import read_source

openvino = pytest.importorskip("icnet.deploy.openvino", reason='needs the extra: pip install -e ".[export]"')
pytest.importorskip("nncf", reason='needs the extra: pip install -e ".[export]"')

INT8 = ("task=export", "task.precision=int8", "task.size=[64,128]", "task.calibration=4")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory, streets: Path, checkpoint: Path) -> Path:
    """The folder of an ONNX file in int8; random weights may lose what they like."""
    folder = tmp_path_factory.mktemp("quantised") / "run"
    run(folder, streets, *INT8, f"ckpt={checkpoint}", "task.max_drop=1")
    return folder


def test_the_certificate_tells_how_a_file_was_quantised_and_what_fp32_takes(quantised: Path) -> None:
    results = json.loads((quantised / "results.json").read_text())
    assert results["protocol"]["quantised"] == {"calibration": 4, "search": 1, "float_layers": []}
    assert json.loads((quantised / "model.json").read_text())["quantised"] == results["protocol"]["quantised"]
    assert results["protocol"]["precision"] == "int8"
    assert results["metrics"]["float_ms"] > 0
    assert 0.9 < results["metrics"]["agreement"] < 1
    readme = (quantised / "README.md").read_text()
    assert "Quantised with 4 training frames; layers that stayed in float: none." in readme
    assert {p.name for p in quantised.iterdir() if "model" in p.name} == {"model.onnx", "model.json"}
    assert not list(quantised.glob(".draft*"))


def test_every_convolution_reads_integers_and_the_end_stays_in_float(quantised: Path) -> None:
    onnx = pytest.importorskip("onnx")
    nodes = onnx.load(quantised / "model.onnx").graph.node
    maker = {output: node for node in nodes for output in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert len(convolutions) > 20
    assert {maker[node.input[1]].op_type for node in convolutions} == {"DequantizeLinear"}
    last = next(i for i, node in reversed(list(enumerate(nodes))) if node.op_type == "Conv")
    end = [node.op_type for node in list(nodes)[last + 1 :]]
    assert "ArgMax" in end
    assert "QuantizeLinear" not in end


def test_a_quantised_file_takes_any_number_of_frames(quantised: Path) -> None:
    engine = open_exported(quantised / "model.onnx")
    frames = torch.from_numpy(np.load(quantised / "golden.npz")["frames"])
    alone = torch.cat([engine.label_maps(frame[None]) for frame in frames])
    assert (engine.label_maps(frames[:2]) == alone[:2]).float().mean() > 0.999
    assert (engine.label_maps(frames) == alone).float().mean() > 0.999


@pytest.mark.parametrize(
    ("overrides", "error", "text"),
    [
        (("task.calibration=6",), DataError, r"task\.calibration is 6: .* it has 6 that are not judged"),
        (("data.split=train",), DataError, r"task\.calibration is 4: .* it has 0 that are not judged"),
        (("data.root=nowhere",), DataError, "nowhere"),
        (("task.format=torch",), ConfigError, r"task\.precision=int8 is for task\.format=onnx and openvino"),
    ],
)
def test_what_cannot_be_quantised_is_one_line_and_leaves_nothing(
    tmp_path: Path, streets: Path, checkpoint: Path, overrides: tuple[str, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        run(tmp_path / "run", streets, *INT8, f"ckpt={checkpoint}", *overrides)
    assert "\n" not in str(caught.value)
    assert [path for path in (tmp_path / "run").iterdir() if path.name != ".hydra"] == []


def test_a_file_without_certificate_is_calibrated_on_its_own_data_all_the_same(tmp_path: Path, streets: Path) -> None:
    other = write_checkpoint(tmp_path / "other.ckpt", ClassTable(names=["a", "b"], colors=[[0, 0, 0], [9, 9, 9]]))
    with pytest.raises(
        ConfigError, match=r"choose the data= that it was trained for; task\.precision=int8 calibrates on it"
    ):
        run(tmp_path / "run", streets, *INT8, f"ckpt={other}", "task.certify=false")


@pytest.mark.slow
def test_depthwise_convolutions_are_quantised_in_a_way_that_the_engine_runs(
    tmp_path: Path, streets: Path, street_classes: ClassTable
) -> None:
    """ONNX Runtime refuses a range for each channel of what they read."""
    light = write_checkpoint(tmp_path / "light.ckpt", street_classes, trunk=efficientnet_lite(width=0.125, depth=0.25))
    run(tmp_path / "run", streets, *INT8, f"ckpt={light}", "task.max_drop=1")
    engine = open_exported(tmp_path / "run" / "model.onnx")
    assert engine.facts.quantised == {"calibration": 4, "search": 1, "float_layers": []}
    golden = np.load(tmp_path / "run" / "golden.npz")
    same = engine.label_maps(torch.from_numpy(golden["frames"])).numpy() == golden["label_maps"]
    assert same.mean() > 0.999


@pytest.mark.slow
def test_openvino_names_depthwise_convolutions_among_the_layers(tmp_path: Path, street_classes: ClassTable) -> None:
    trunk = efficientnet_lite(width=0.125, depth=0.25)
    source = read_source(write_checkpoint(tmp_path / "light.ckpt", street_classes, trunk=trunk))
    file = write_file(source, Order("openvino", "fp32", "sub4", "labels", (64, 96)), tmp_path)
    found = {node.layer for node in openvino.list_nodes(openvino.load(file)) if node.convolves}
    convolutions = {n for n, m in source.build().named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert {f"backbone.stages.{n}.0.depthwise.conv" for n in range(7)} < found
    assert found == {n for n in convolutions if n.startswith(("backbone", "ppm"))} | {"head"}


@pytest.mark.slow
@pytest.mark.parametrize("size", ["[64,128]", "dynamic"])
@pytest.mark.parametrize("format", ["openvino", "onnx"])
def test_both_formats_are_quantised_and_the_home_folder_stays_as_it_is(
    tmp_path: Path, streets: Path, checkpoint: Path, format: str, size: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    told = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    told |= {"HOME": str(home), "MPLCONFIGDIR": str(tmp_path)}
    command = [
        sys.executable, str(ROOT / "run.py"), *PLAIN, f"data.root={streets}", *INT8, f"ckpt={checkpoint}",
        f"task.format={format}", f"task.size={size}", "task.max_drop=1", f"hydra.run.dir={tmp_path / 'run'}",
    ]  # fmt: skip
    done = subprocess.run(command, env=told, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []
    (model,) = (path for path in (tmp_path / "run").iterdir() if path.suffix in (".onnx", ".xml"))
    engine = open_exported(model)
    frames = torch.from_numpy(np.load(tmp_path / "run" / "golden.npz")["frames"])
    both = engine.label_maps(frames[:2])
    assert both.shape == (2, 64, 128)
    assert (both[:1] == engine.label_maps(frames[:1])).float().mean() > 0.999
    if size == "dynamic":
        assert engine.label_maps(frames[:1, :33, :77]).shape == (1, 33, 77)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_kit_runs_on_a_machine_that_has_numpy_and_the_engine_alone(
    tmp_path: Path, quantised: Path, streets: Path, checkpoint: Path, engine: str
) -> None:
    if engine == "openvino":
        quantised = tmp_path / "made"
        run(quantised, streets, *INT8, f"ckpt={checkpoint}", "task.format=openvino", "task.max_drop=1")
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), "numpy", engine]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=500)
    if done.returncode != 0:
        pytest.skip(f"needs a package index: {done.stderr.strip().splitlines()[-1]}")
    kit = tmp_path / "kit"
    shutil.copytree(quantised, kit)

    def verify() -> subprocess.CompletedProcess[str]:
        home = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
        return subprocess.run(
            [str(python), str(kit / "verify.py")], capture_output=True, text=True, check=False, env=home
        )

    (tmp_path / "home").mkdir()
    good = verify()
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["agreement"] >= 0.98
    assert json.loads(good.stdout)["median_ms"] > 0
    assert list((tmp_path / "home").rglob("*")) == []

    golden = dict(np.load(kit / "golden.npz"))
    golden["label_maps"][1] = (golden["label_maps"][1] + 1) % 19
    np.savez(kit / "golden.npz", **golden)
    bad = verify()
    assert bad.returncode == 1, bad.stderr
    assert json.loads(bad.stdout)["agreement"] == 0
