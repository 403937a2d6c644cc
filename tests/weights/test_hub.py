"""Networks in the hub's layout: written, read from a folder, and fetched from a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tests.conftest import run_plain

from icnet.data.labels import ClassTable
from icnet.deploy.card import write_card
from icnet.engines.load import load_engine
from icnet.errors import ConfigError, ICNetError, WeightsError
from icnet.model.icnet import ICNet
from icnet.predict import Predictor
from icnet.tasks.export.hub import read_judged
from icnet.weights.checkpoint import load_checkpoint, read_source
from icnet.weights.download import sha256
from icnet.weights.hub import fetch_repository
from icnet.weights.start import read_weights

huggingface_hub = pytest.importorskip("huggingface_hub", reason='needs the extra: pip install -e ".[hub]"')

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


class Hub:
    """A server that answers for one repository, icnet/streets, as the hub does: folders by their commits."""

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        self.asked: list[str] = []
        this = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.wfile.write(self.answer())

            def answer(self) -> bytes:
                this.asked.append(f"{self.command} {self.path}")
                _, owner, name, _, revision, file = [*self.path.split("/"), *[""] * 6][:6]
                commit = COMMITS.get(revision, revision)
                if f"{owner}/{name}" != "icnet/streets" or commit not in this.folders:
                    code = "RevisionNotFound" if name == "streets" else "RepoNotFound"
                    self.send_response(404)
                    self.send_header("X-Error-Code", code)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return b""
                content = (this.folders[commit] / file).read_bytes()
                self.send_response(200)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", commit)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return content

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    served = Hub()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", served.url)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        served.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield served
    served.close()


def results_of(checkpoint: Path, classes: ClassTable) -> dict[str, Any]:
    """What training leaves beside a checkpoint."""
    iou = dict.fromkeys(classes.names, 0.5) | {"road": 0.91234, "pole": None}
    return {
        "task": "train",
        "name": "streets",
        "metrics": {
            "miou": 0.54321, "miou_interval": [0.51, 0.57], "pixel_accuracy": 0.8, "iou": iou, "image_ms": 12.34
        },
        "protocol": {
            "data": "streets", "split": "val", "images": 40, "image_size": [64, 128], "scales": [1.0], "flip": False,
            "train_images": 320, "train_samples": 2400, "crop_size": [64, 64], "seed": 3, "precision": "bf16-mixed",
            "parameters": 1234567, "macs": 2.5e9, "device": "cpu (Abacus 1)", "threads": 1,
            "checkpoint_sha256": sha256(checkpoint), "versions": {"torch": "2.13.0"},
            "timing": {"what": "the median of 5", "image_size": [64, 128], "precision": "float32", "device": "cpu"},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def repository(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, street_classes: ClassTable, streets: Path
) -> Path:
    """What task=export leaves of a trained network."""
    run = tmp_path_factory.mktemp("run")
    (run / "checkpoints").mkdir()
    best = run / "checkpoints" / "best.ckpt"
    best.write_bytes(checkpoint.read_bytes())
    (run / "results.json").write_text(json.dumps(results_of(best, street_classes)))
    folder = run / "hub"
    export(folder, streets, best, "task.license=cc-by-4.0")
    return folder


def export(folder: Path, streets: Path, checkpoint: Path, *settings: str) -> dict[str, Any]:
    return run_plain(folder, streets, "task=export", "task.format=hub", f"ckpt={checkpoint}", *settings)


def test_the_folder_is_a_model_repository(repository: Path, checkpoint: Path) -> None:
    assert {p.name for p in repository.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "results.json", "streets.png"
    }  # fmt: skip
    about, source = json.loads((repository / "config.json").read_text()), read_source(checkpoint)
    assert about["architecture"] == source.architecture
    assert (about["classes"], about["preprocessing"]) == (source.classes, source.preprocessing)
    results = json.loads((repository / "results.json").read_text())
    assert results["metrics"]["miou"] == 0.54321
    assert results["protocol"]["checkpoint_sha256"] == sha256(checkpoint)


def test_its_card_says_what_was_measured(repository: Path, checkpoint: Path) -> None:
    card = (repository / "README.md").read_text()
    head = card.split("---")[1]
    assert "license: cc-by-4.0" in head
    assert "pipeline_tag: image-segmentation" in head
    for said in (
        "streets: 320 frames, 2,400 samples of at most 64x64, seed 3, precision bf16-mixed",
        "40 frames of streets (val), scored at 64x128; scales 1.0; mirrored views none.",
        "**mIoU 54.3 %** (95 %: 51.0 to 57.0, bootstrap over images)",
        "| road | 91.2 |",
        "| pole | absent |",
        "| parameters | 1,234,567 |",
        "| MACs, 64x128 | 2.50 G |",
        "| one frame of 64x128 | 12.3 ms: the median of 5 |",
        "| on | cpu (Abacus 1), threads: 1, float32, torch 2.13.0 |",
        sha256(checkpoint),
        "](streets.png)",
    ):
        assert said in card, said
    assert str(repository.parent) not in card  # no path of this machine


def test_the_folder_gives_the_same_network_back(repository: Path, checkpoint: Path) -> None:
    ours, theirs = ICNet.from_pretrained(repository), load_checkpoint(checkpoint)
    images = torch.randn(1, 3, 64, 96)
    assert not ours.training
    assert torch.equal(ours(images), theirs(images))
    assert load_engine(repository / "model.safetensors").card == load_engine(checkpoint).card


def test_it_is_taken_wherever_a_checkpoint_is(repository: Path, streets: Path, tmp_path: Path) -> None:
    file = repository / "model.safetensors"
    results = run_plain(tmp_path / "seen", streets, "task=predict", f"ckpt={file}", f"source={streets}/leftImg8bit/val")
    assert results["metrics"]["images"] == 3
    assert read_weights(file).source is not None  # task.weights
    with pytest.raises(WeightsError, match=r"is a folder: give the file, ckpt=.*model\.safetensors"):
        run_plain(tmp_path / "folder", streets, "task=predict", f"ckpt={repository}", "source=.")


def test_a_repository_of_the_hub_is_fetched_by_its_name(hub: Hub, repository: Path, checkpoint: Path) -> None:
    hub.folders = {COMMITS["main"]: repository}
    net = ICNet.from_pretrained("icnet/streets")
    assert torch.equal(net.classifier.weight, load_checkpoint(checkpoint).classifier.weight)
    ICNet.from_pretrained("icnet/streets")
    got = [line.rpartition("/")[2] for line in hub.asked if line.startswith("GET /icnet/")]
    assert got == ["config.json", "model.safetensors"]  # once each


def test_a_revision_is_another_network(hub: Hub, repository: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((repository / name).read_bytes())
    changed = json.loads((tmp_path / "config.json").read_text())
    changed["architecture"]["align_corners"] = True
    (tmp_path / "config.json").write_text(json.dumps(changed))
    hub.folders = {COMMITS["main"]: repository, COMMITS["v1"]: tmp_path}
    assert ICNet.from_pretrained("icnet/streets").resize.align_corners is False
    assert ICNet.from_pretrained("icnet/streets", revision="v1").resize.align_corners is True
    assert load_checkpoint(fetch_repository("icnet/streets@v1")).resize.align_corners is True
    with pytest.raises(WeightsError, match="404") as caught:
        ICNet.from_pretrained("icnet/streets", revision="v2")
    assert "\n" not in str(caught.value)


def test_the_hub_takes_part_in_a_run(hub: Hub, repository: Path, streets: Path, tmp_path: Path) -> None:
    hub.folders = {COMMITS["main"]: repository}
    results = run_plain(
        tmp_path / "seen", streets, "task=predict", "ckpt=hub:icnet/streets", f"source={streets}/leftImg8bit/val"
    )
    assert results["metrics"]["images"] == 3


def test_without_a_network_one_line_says_what_else_there_is(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.close()
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between the tries
    with pytest.raises(WeightsError) as caught:
        fetch_repository("icnet/streets")
    message = str(caught.value)
    assert message.startswith(f"hub:icnet/streets cannot be had from {hub.url} (")
    assert "Connection refused" in message
    assert message.endswith("into a folder and give ckpt=FOLDER/model.safetensors")
    assert "\n" not in message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "nothing is neither a folder nor a repository of the hub: give OWNER/NAME"),
        ("some/folder/here", "some/folder/here is neither a folder nor a repository"),
        ("nobody/nothing", r"hub:nobody/nothing cannot be had from .*404"),
    ],
)
def test_what_is_neither_a_folder_nor_a_repository_is_named(hub: Hub, name: str, said: str) -> None:
    with pytest.raises(WeightsError, match=said) as caught:
        ICNet.from_pretrained(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.safetensors", b"", "model.safetensors is no file of safetensors, or was cut off"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      ", "does not describe its own network"),
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b'{"model_type": "resnet"}', "is no checkpoint of icnet, with its config.json beside it"),
        ("config.json", None, "is no checkpoint of icnet, with its config.json beside it"),
    ],
)
def test_a_folder_that_is_torn_or_of_another_program_is_named(
    repository: Path, tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((repository / name).read_bytes())
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        ICNet.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_in_safetensors_need_no_description(repository: Path, checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "trunk.safetensors"
    path.write_bytes((repository / "model.safetensors").read_bytes())
    weights = read_weights(path)
    assert weights.source is None
    assert weights.state.keys() == load_checkpoint(checkpoint).state_dict().keys()


def test_a_card_is_written_from_results_of_this_checkpoint_alone(
    checkpoint: Path, street_classes: ClassTable, tmp_path: Path
) -> None:
    task = OmegaConf.create({"results": None, "certify": True})
    with pytest.raises(ConfigError, match=r"has no results\.json, from which its card is written: judge it with"):
        read_judged(task, checkpoint)
    assert read_judged(OmegaConf.merge(task, {"certify": False}), checkpoint) == (None, None)
    results = results_of(checkpoint, street_classes)
    path = tmp_path / "results.json"
    task.results = str(path)
    path.write_text(json.dumps(results))
    assert read_judged(task, checkpoint) == (results, results)
    del results["protocol"]["train_images"]  # as task=evaluate leaves them
    path.write_text(json.dumps(results))
    assert read_judged(task, checkpoint) == (results, None)
    results["protocol"]["checkpoint_sha256"] = "0" * 64
    path.write_text(json.dumps(results))
    with pytest.raises(ConfigError, match=r"task\.results=.* is of another checkpoint than"):
        read_judged(task, checkpoint)
    path.write_text('{"task": "predict"}')
    with pytest.raises(ConfigError, match=r"results\.json holds no scores of a network"):
        read_judged(task, checkpoint)


def test_a_card_without_results_says_so(checkpoint: Path, tmp_path: Path) -> None:
    write_card(tmp_path, Predictor.from_checkpoint(checkpoint), None, None, None)
    card = (tmp_path / "README.md").read_text()
    assert "Nobody has judged this network." in card
    assert "Not stated by who trained it." in card
    assert "license:" not in card


def test_results_of_an_older_icnet_are_named(checkpoint: Path, street_classes: ClassTable, tmp_path: Path) -> None:
    results = results_of(checkpoint, street_classes)
    del results["protocol"]["timing"]
    with pytest.raises(ICNetError, match=r"has no attribute 'timing'\): judge the checkpoint anew with task=evaluate"):
        write_card(tmp_path, Predictor.from_checkpoint(checkpoint), results, None, None)


@pytest.mark.slow
def test_settings_of_another_format_are_refused(checkpoint: Path, streets: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task\.precision, task\.exit: without effect with task\.format=hub"):
        export(tmp_path / "hub", streets, checkpoint, "task.precision=fp16", "task.exit=sub24")
    with pytest.raises(ConfigError, match=r"task\.license: without effect with task\.format=onnx"):
        run_plain(tmp_path / "onnx", streets, "task=export", f"ckpt={checkpoint}", "task.license=mit")


def test_without_the_extra_it_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        WeightsError, match=r'needs huggingface_hub, which is not installed: pip install -e "\.\[hub\]"'
    ):
        ICNet.from_pretrained("icnet/streets")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(WeightsError, match=r'needs safetensors, which is not installed: pip install -e "\.\[hub\]"'):
        ICNet.from_pretrained(repository)


@pytest.mark.slow
def test_a_trained_network_goes_to_the_hub_and_comes_back_by_the_command_line(streets: Path, tmp_path: Path) -> None:
    """HF_ENDPOINT is read when a program begins."""
    served = Hub()
    environment = os.environ | {"HF_ENDPOINT": served.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}

    def icnet(folder: str, *settings: str) -> subprocess.CompletedProcess[str]:
        common = (f"data.root={streets}", "data.prepare=null", "data.num_workers=0", "trainer.accelerator=cpu")
        command = [sys.executable, "-m", "icnet", *common, *settings, f"hydra.run.dir={tmp_path / folder}"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

    tiny = ("backbone=resnet18", "model.backbone.width=0.125", "model.fusion_channels=16", "data.crop_size=[64,64]")
    trained = icnet("run", *tiny, "data.batch_size=2", "trainer.max_steps=2")
    assert trained.returncode == 0, trained.stderr
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    exported = icnet("hub", "task=export", "task.format=hub", f"ckpt={best}")
    assert exported.returncode == 0, exported.stderr
    assert "6 frames, 4 samples of at most 64x64" in (tmp_path / "hub" / "README.md").read_text()
    served.folders = {COMMITS["main"]: tmp_path / "hub"}
    judged = icnet("judged", "task=evaluate", "ckpt=hub:icnet/streets", "trainer.precision=32-true")
    assert judged.returncode == 0, judged.stderr
    served.close()
    gone = icnet("gone", "task=evaluate", "ckpt=hub:icnet/other")
    assert gone.returncode == 1
    assert gone.stderr.splitlines()[0].startswith("icnet: hub:icnet/other cannot be had from http://127.0.0.1")
    assert len(gone.stderr.splitlines()) == 1
