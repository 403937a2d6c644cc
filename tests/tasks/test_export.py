"""task=export from a composed configuration to a folder with a certified file, on tiny scenes and random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import compose_run
from tests.conftest import run_plain as run
from tests.deploy.test_graph import SIZES, make_frames, make_net

from icnet.cli import run_task
from icnet.data.labels import ClassTable
from icnet.deploy import graph
from icnet.deploy.export import Order, write_file
from icnet.engines.exported import open_exported
from icnet.engines.load import load_engine
from icnet.errors import ConfigError, DataError, ICNetError, WeightsError
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.model.trunks.resnet import resnet18
from icnet.predict import Predictor
from icnet.tasks.export.certificate import Certificate
from icnet.weights.checkpoint import read_source

pytest.importorskip("onnxruntime", reason='needs the extra: pip install -e ".[export]"')


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, streets: Path, checkpoint: Path) -> Path:
    """The folder of an ONNX file, certified on the streets."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    run(folder, streets, "task=export", f"ckpt={checkpoint}", "data.split=val")
    return folder


def test_the_folder_holds_a_file_that_proves_itself(
    exported: Path, street_classes: ClassTable, checkpoint: Path
) -> None:
    results = json.loads((exported / "results.json").read_text())
    metrics, facts = results["metrics"], json.loads((exported / "model.json").read_text())
    assert metrics["agreement"] >= 0.9999
    assert metrics["largest_gap"] < 1e-4
    assert metrics["drop"] == pytest.approx(metrics["checkpoint_miou"] - metrics["miou"], abs=1e-12)
    assert metrics["drop_interval"][0] <= metrics["drop"] <= metrics["drop_interval"][1]
    assert list(metrics["iou"]) == list(metrics["checkpoint_iou"]) == list(street_classes.names)
    assert min(metrics["median_ms"], metrics["checkpoint_median_ms"]) > 0
    assert facts["size"] == [64, 128]  # of the data that the checkpoint was trained on
    assert facts["classes"]["names"] == list(street_classes.names)
    assert facts["checkpoint"]["sha256"] == results["protocol"]["checkpoint_sha256"]
    assert facts["certificate"]["metrics"] == metrics
    assert facts["certificate"]["protocol"]["images"] == 3
    assert {p.name for p in exported.iterdir()} >= {"model.onnx", "golden.npz", "verify.py", "README.md", "report.html"}
    assert not list(exported.glob(".draft*"))


def test_the_file_says_in_itself_what_lies_beside_it(exported: Path) -> None:
    assert json.loads(open_exported(exported / "model.onnx").facts.to_text()) == json.loads(
        (exported / "model.json").read_text()
    )


def test_it_is_read_wherever_a_checkpoint_is(exported: Path, checkpoint: Path, streets: Path, tmp_path: Path) -> None:
    file = exported / "model.onnx"
    ours = run(tmp_path / "file", streets, "task=evaluate", f"ckpt={file}")
    theirs = run(tmp_path / "checkpoint", streets, "task=evaluate", f"ckpt={checkpoint}", "task.exits=false")
    assert ours["metrics"]["iou"] == pytest.approx(theirs["metrics"]["iou"], abs=1e-4)
    assert ours["protocol"]["engine"].startswith("ONNX Runtime")
    assert ours["protocol"]["macs"] == theirs["protocol"]["macs"]
    assert (ours["protocol"]["file_size"], theirs["protocol"]["file_size"]) == ([64, 128], None)
    assert "exits" not in ours["metrics"]  # it has one alone
    predicted = run(
        tmp_path / "predicted", streets, "task=predict", f"ckpt={file}", f"source={streets}/leftImg8bit/val"
    )
    assert predicted["metrics"]["images"] == 3
    frame = make_frames((64, 128))[0].numpy()
    assert (Predictor.from_checkpoint(file)(frame) == Predictor.from_checkpoint(checkpoint)(frame)).mean() > 0.999


def test_a_file_of_fixed_size_brings_other_frames_to_it_and_label_maps_back(exported: Path) -> None:
    engine = open_exported(exported / "model.onnx")
    small = make_frames((64, 128))
    large = small.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)  # bilinear halving gives the small one back
    expected = engine.label_maps(small).repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(engine.label_maps(large), expected)


def test_what_needs_scores_is_refused_where_a_file_gives_labels(exported: Path, streets: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gives label maps.*task\.output=logits"):
        run(tmp_path / "run", streets, "task=evaluate", f"ckpt={exported / 'model.onnx'}", "task.flip=true")
    with pytest.raises(ConfigError, match=r"task\.exit is 'sub4'.*ends at sub124"):
        run(tmp_path / "run", streets, "task=evaluate", f"ckpt={exported / 'model.onnx'}", "task.exit=sub4")


def verify(kit: Path, *without: str) -> subprocess.CompletedProcess[str]:
    """Run verify.py where these packages are not to be had."""
    code = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({without}));"
        f"runpy.run_path({str(kit / 'verify.py')!r}, run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_the_kit_runs_without_icnet_and_tells_a_changed_label(exported: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.json", "verify.py"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    golden = dict(np.load(exported / "golden.npz"))
    for changed, status in ((0, 0), (1, 1)):
        golden["label_maps"] = np.where(changed, (golden["label_maps"] + 1) % 3, golden["label_maps"]).astype(np.uint8)
        np.savez(tmp_path / "golden.npz", **golden)
        done = verify(tmp_path, "icnet", "torch")
        assert done.returncode == status, done.stderr
        assert (json.loads(done.stdout)["agreement"] == 1.0) == (status == 0)


def test_a_file_is_rejected_for_what_it_lost_and_in_fp32_for_any_disagreement() -> None:
    iou = {"road": 0.9, "car": 0.5}
    metrics = {"drop": 0.02, "agreement": 0.99, "iou": iou, "checkpoint_iou": {"road": 0.9, "car": 0.54}}
    certificate = Certificate(metrics, torch.tensor([0.0, 0.01, 0.02]))
    assert certificate.fault("int8", 0.01) == (
        "loses 2.00 points of mIoU, more than task.max_drop=0.01 allows (most: car 4.0)"
    )
    assert certificate.fault("int8", 0.02) is None
    assert "99.000 % of the pixels alone" in str(certificate.fault("fp32", 0.02))
    assert certificate.worst == [2, 1]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["resize", "padding", "channels"])
def test_frameworks_that_differ_silently_are_found_out(
    fault: str, checkpoint: Path, streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another rule of half pixels, pooling that reaches beyond the map at odd sizes, blue first."""
    if fault == "resize":
        monkeypatch.setattr(graph._AnyResize, "forward", lambda self, x, size: torch.nn.functional.interpolate(
            x, size, mode="bilinear", align_corners=not self.align_corners))  # fmt: skip
    elif fault == "padding":
        right = graph._MatrixPooling._average
        monkeypatch.setattr(graph._MatrixPooling, "_average", lambda self, n, bins, adaptive: right(
            self, n + 1, bins, adaptive)[:n, :n])  # fmt: skip
    else:
        right_way = graph.FrameProgram.forward
        monkeypatch.setattr(graph.FrameProgram, "forward", lambda self, frames: right_way(self, frames.flip(-1)))
    folder = tmp_path / "run"
    with pytest.raises(ICNetError, match=r"model\.rejected\.onnx .*(loses|agrees with its checkpoint)"):
        run(folder, streets, "task=export", f"ckpt={checkpoint}", "data.split=val")
    assert (folder / "model.rejected.onnx").is_file()
    assert not (folder / "model.onnx").exists()
    assert not (folder / "verify.py").exists()
    assert json.loads((folder / "results.json").read_text())["metrics"]["agreement"] < 0.9999
    assert "<strong>Rejected.</strong>" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_without_data_of_its_classes_a_file_is_not_certified(checkpoint: Path, tmp_path: Path) -> None:
    def run_camvid(folder: Path, *overrides: str) -> None:
        asked = ["task=export", f"ckpt={checkpoint}", "data=camvid", f"data.root={tmp_path}", "trainer.accelerator=cpu"]
        run_task(compose_run([*asked, *overrides], folder))

    with pytest.raises(ConfigError, match=r"tells \d+ classes apart.*task\.certify=false"):
        run_camvid(tmp_path / "refused")
    assert [p.name for p in (tmp_path / "refused").iterdir()] == []
    folder = tmp_path / "run"
    run_camvid(folder, "task.certify=false")
    results = json.loads((folder / "results.json").read_text())
    assert results["metrics"] == {}
    assert json.loads((folder / "model.json").read_text())["certificate"] == "not certified"
    assert np.load(folder / "golden.npz")["frames"].shape == (3, 64, 128, 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("task.format=tflite", r"task\.format is 'tflite': choose one of"),
        ("task.precision=bf16", r"task\.precision is 'bf16': choose one of fp32, fp16, int8"),
        ("task.size=[16,64]", r"task\.size is \[16, 64\]: .*at least 32"),
        ("task.size=64", r"task\.size is 64: give \[height,width\] or dynamic"),
        ("task.exit=sub2", r"task\.exit is 'sub2'"),
        ("task.output=probabilities", r"task\.output is 'probabilities'"),
        ("task.format=torch task.precision=int8", r"int8 is for task\.format=onnx and openvino"),
        ("task.calibration=9 task.runtime=there", r"task\.runtime, task\.calibration: without effect"),
        ("task.certify=false task.max_drop=1", r"task\.max_drop: without effect"),
        ("ckpt={onnx}", "is exported already"),
        ("ckpt=nowhere.ckpt", "there is no file nowhere.ckpt"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    given: str, message: str, checkpoint: Path, exported: Path, streets: Path, tmp_path: Path
) -> None:
    settings = given.format(onnx=exported / "model.onnx").split()
    with pytest.raises(ICNetError, match=message):
        run(tmp_path / "run", streets, "task=export", f"ckpt={checkpoint}", *settings)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
def test_files_that_icnet_did_not_export_are_one_line(suffix: str, exported: Path, tmp_path: Path) -> None:
    path = tmp_path / f"given{suffix}"
    whole = (exported / "model.onnx").read_bytes()
    for content in (b"", b"no model at all", whole[: len(whole) // 2], b"PK\x03\x04" + bytes(100), b"<xml/>"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"given\."):
            load_engine(path)
    with pytest.raises(WeightsError, match="there is no file"):
        load_engine(tmp_path / f"none{suffix}")


def test_a_file_from_elsewhere_is_told_from_ours(exported: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(exported / "model.onnx")
    onnx.helper.set_model_props(model, {})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(WeightsError, match="was not exported by icnet"):
        load_engine(tmp_path / "model.onnx")


def save(net: ICNet, path: Path, classes: ClassTable) -> Path:
    trunk = net.backbone.spec()
    read = Normalize(trunk.mean, trunk.std).to_dict()
    about = {"architecture": net.architecture, "classes": classes.to_dict(), "preprocessing": read}
    torch.save({"icnet": about, "state_dict": {f"net.{key}": value for key, value in net.state_dict().items()}}, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "align_corners", "trunk"),
    [
        *[(format, corners, resnet18(0.125)) for format in ("onnx", "openvino", "torch") for corners in (False, True)],
        ("onnx", False, efficientnet_lite(0.125, 0.25)),
    ],
)
def test_a_dynamic_file_agrees_with_torch_at_ten_sizes(
    format: str, align_corners: bool, trunk: TrunkSpec, tmp_path: Path
) -> None:
    five = ClassTable(list("abcde"), [[n, n, n] for n in range(5)])
    source = read_source(save(make_net(align_corners, trunk), tmp_path / "net.ckpt", five))
    engine = open_exported(write_file(source, Order(format, "fp32", "sub124", "labels", None), tmp_path))
    truth = load_engine(tmp_path / "net.ckpt")
    for size in SIZES:
        frames = make_frames(size, 1 + size[0] % 3)
        if min(size) < engine.facts.smallest:
            with pytest.raises(DataError, match="needs at least 33"):
                engine.label_maps(frames)
            continue
        assert (engine.label_maps(frames) == truth.label_maps(frames)).float().mean() >= 0.9999, size


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino", "torch"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_format_and_precision_is_certified_and_gives_scores(
    format: str, precision: str, checkpoint: Path, streets: Path, tmp_path: Path
) -> None:
    name = {"onnx": "model.onnx", "openvino": "model.xml", "torch": "model.pt2"}[format]
    asked = (
        f"task.format={format}",
        f"task.precision={precision}",
        "task.output=logits",
        "task.exit=sub24",
        "task.max_drop=1",
    )
    results = run(tmp_path / "run", streets, "task=export", f"ckpt={checkpoint}", *asked)
    assert results["metrics"]["agreement"] > (0.9999 if precision == "fp32" else 0.97)
    file = tmp_path / "run" / name
    scored = run(tmp_path / "flip", streets, "task=evaluate", f"ckpt={file}", "task.flip=true")
    other = run(tmp_path / "other", streets, "task=evaluate", f"ckpt={checkpoint}", "task.flip=true", "task.exit=sub24",
                "task.exits=false")  # fmt: skip
    assert scored["metrics"]["miou"] == pytest.approx(
        other["metrics"]["miou"], abs=1e-4 if precision == "fp32" else 0.02
    )
    done = verify(tmp_path / "run", "icnet")
    assert done.returncode == 0, done.stdout + done.stderr
