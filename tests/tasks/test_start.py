"""What training starts from: the network of a file, its weights, published ones by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from tests.conftest import TINY, Run, compose_run
from tests.weights.test_read import FILES

from icnet.cli import run_task
from icnet.config import settle_values
from icnet.errors import ConfigError, WeightsError
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunks.resnet import BlockSpec, ResNetSpec, resnet50
from icnet.tasks.setup.build import build
from icnet.tasks.setup.network import build_network, choose_trunk_weights
from icnet.weights.checkpoint import load_checkpoint

PRUNED = ResNetSpec(
    "bottleneck",
    (4, 5, 6),
    (
        (BlockSpec((3, 4, 9), project=True), BlockSpec((2, 3, 9), project=False)),
        (BlockSpec((5, 6, 11), project=True), BlockSpec((7, 5, 11), project=False)),
        (BlockSpec((5, 6, 13), project=True),),
        (BlockSpec((5, 6, 15), project=True),),
    ),
)


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    """A network that no configuration describes, of three classes."""
    net = ICNet(PRUNED, 3, (10, 12), True, (2, 3, 5), 7)
    classes = {"names": ["a", "b", "c"], "colors": [[0, 0, 0]] * 3}
    mean = Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    about = {"architecture": net.architecture, "classes": classes, "preprocessing": mean.to_dict()}
    state = {f"net.{key}": value for key, value in net.state_dict().items()}
    torch.save({"icnet": about, "state_dict": state}, tmp_path / "pruned.ckpt")
    return tmp_path / "pruned.ckpt"


def test_the_network_of_a_file_is_trained_on_whatever_it_is(run_icnet: Run, pruned: Path) -> None:
    folder = run_icnet(f"task.weights={pruned}", "task.architecture=file", "trainer.max_steps=1", "optimizer.lr=0")
    before, after = load_checkpoint(pruned), load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert after.architecture == {**before.architecture, "num_classes": 10}  # those of streets
    about = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["icnet"]
    assert about["preprocessing"]["mean"] == [0.5, 0.4, 0.3]
    for name, value in before.named_parameters():
        if not name.startswith(("classifier", "guide")):
            assert torch.equal(after.get_parameter(name), value), name


def test_a_checkpoint_says_which_of_its_parameters_did_not_start_anew(run_icnet: Run, pruned: Path) -> None:
    folder = run_icnet(f"task.weights={pruned}", "task.architecture=file", "trainer.max_steps=1")
    loaded = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["icnet"]["loaded"]
    assert "backbone.conv4.0.conv.conv.weight" in loaded
    assert not [name for name in loaded if name.startswith(("classifier", "guide"))]


@pytest.mark.slow
def test_weights_that_learned_from_otherwise_normalised_frames_are_taken_with_a_warning(
    run_icnet: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_icnet("trainer.max_steps=1", "+data.std=[0.2,0.2,0.2]", folder="first")
    weights = f"task.weights={tmp_path / 'first'}/checkpoints/best.ckpt"
    run_icnet("trainer.max_steps=1", "+data.std=[0.2,0.2,0.2]", weights, folder="same")
    assert "was trained on frames" not in caplog.text
    run_icnet("trainer.max_steps=1", weights, folder="other")
    assert re.search(r"was trained on frames of .*'std': \[0\.2, 0\.2, 0\.2\].* goes on with .*0\.229", caplog.text)


def test_a_trunk_reads_frames_as_it_is_used_to_unless_the_data_have_statistics_of_their_own(
    streets: Path, tmp_path: Path
) -> None:
    def read(*overrides: str) -> dict[str, list[float]]:
        cfg = compose_run([f"data.root={streets}", *overrides], tmp_path)
        settle_values(cfg)
        return build_network(cfg, build(cfg.data)).normalize.to_dict()

    lite = ("backbone=efficientnet_lite0", "model.backbone.width=0.125", "model.backbone.weights=null")
    assert read("backbone=resnet18")["mean"] == [0.485, 0.456, 0.406]
    assert read(*lite) == {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}
    assert read(*lite, "data.mean=[0.4,0.5,0.6]") == {"mean": [0.4, 0.5, 0.6], "std": [128 / 255] * 3}


@pytest.mark.slow
def test_a_light_trunk_is_trained_described_and_trained_on_from_its_file(run_icnet: Run) -> None:
    lite = ("backbone=efficientnet_lite0", "model.backbone.width=0.125", "model.backbone.weights=null")
    first = run_icnet(*lite, *TINY[2:], tiny=False, folder="first") / "checkpoints" / "best.ckpt"
    second = run_icnet(f"task.weights={first}", "task.architecture=file", "optimizer.lr=0", "trainer.max_steps=1")
    before, after = load_checkpoint(first), load_checkpoint(second / "checkpoints" / "best.ckpt")
    assert after.architecture == before.architecture
    assert after.architecture["backbone"]["family"] == "efficientnet_lite"
    assert all(torch.equal(after.get_parameter(name), value) for name, value in before.named_parameters())
    about = torch.load(second / "checkpoints" / "best.ckpt", weights_only=True)["icnet"]
    assert about["preprocessing"] == {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}


def test_without_a_file_there_is_no_architecture_of_one(run_icnet: Run) -> None:
    with pytest.raises(ConfigError, match=r"task\.architecture=file takes the network from task\.weights"):
        run_icnet("task.architecture=file")
    with pytest.raises(ConfigError, match=r"task\.architecture is 'files': choose config or file"):
        run_icnet("task.architecture=files")


def test_the_network_of_a_file_does_not_fit_another_configuration(run_icnet: Run, pruned: Path) -> None:
    with pytest.raises(WeightsError, match="is of another network: align_corners is True in the file, False here"):
        run_icnet(f"task.weights={pruned}")


@pytest.mark.slow
def test_a_resumed_run_needs_the_file_it_started_from_no_more(run_icnet: Run, tmp_path: Path, pruned: Path) -> None:
    multiple = (
        "optimizer.lr=1e-3",
        "optimizer.new_layers_multiple=10",
        "task.architecture=file",
        "trainer.val_check_interval=2",
    )
    run_icnet(f"task.weights={pruned}", *multiple, "trainer.max_steps=2")
    pruned.unlink()
    folder = run_icnet(f"task.weights={pruned}", *multiple, "trainer.max_steps=4", f"task.resume={tmp_path / 'run'}")
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["global_step"] == 4
    assert {group["initial_lr"] for group in content["optimizer_states"][0]["param_groups"]} == {1e-3, 1e-2}


@pytest.mark.parametrize(
    "given",
    [
        "task=evaluate ckpt={}",
        "task=evaluate ckpt={good} task.compare={}",
        "task=predict source=. ckpt={}",
        "task.weights={}",
        "task.weights={} task.architecture=file",
        "model.backbone.weights={}",
    ],
)
def test_any_file_given_for_weights_is_named_in_one_line(
    given: str, run_icnet: Run, tmp_path: Path, streets: Path, pruned: Path
) -> None:
    good = run_icnet("trainer.max_steps=1", folder="good") / "checkpoints" / "best.ckpt" if "{good}" in given else ""
    bad = tmp_path / "given.ckpt"
    tiny = TINY if "task=" not in given else ("trainer.accelerator=cpu", "data.num_workers=0")
    overrides = ["data.prepare=null", f"data.root={streets}", *tiny, *given.format(bad, good=good).split()]
    config = compose_run(overrides, tmp_path / "run")
    for name, content in FILES.items():
        bad.write_bytes(content)
        with pytest.raises((WeightsError, ConfigError), match=r"given\.ckpt") as caught:
            run_task(config)
        assert "\n" not in str(caught.value), name


def test_the_published_weights_of_a_trunk_have_a_name() -> None:
    assert choose_trunk_weights("my.pth", resnet50(0.5)) == "my.pth"
    url = choose_trunk_weights("imagenet", resnet50(stem="7x7", stride_on="3x3"))
    assert url.endswith("/resnet50-0676ba61.pth")


def test_without_a_network_the_url_the_place_and_the_way_without_are_named(
    run_icnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(WeightsError) as caught:
        run_icnet("experiment=icnet_cityscapes", "trainer.accelerator=cpu", "trainer.devices=1", tiny=False)
    message = str(caught.value)
    assert "/resnet50-0676ba61.pth cannot be downloaded" in message
    assert f"put it at {tmp_path}/hub/checkpoints/resnet50-0676ba61.pth" in message
    assert "model.backbone.weights=null" in message
    assert not list((tmp_path / "hub").rglob("*.pth*"))


def test_half_width_is_one_choice_away_from_the_recipe_of_cityscapes(tmp_path: Path) -> None:
    full = compose_run(["experiment=icnet_cityscapes"], tmp_path)
    assert (full.model.backbone.weights, full.model.backbone.stem, full.model.backbone.width) == (
        "imagenet",
        "7x7",
        1.0,
    )
    half = compose_run(["experiment=icnet_cityscapes", "backbone=resnet50_half"], tmp_path)
    assert (half.model.backbone.weights, half.model.backbone.width) == (None, 0.5)
    assert json.loads(json.dumps(half.optimizer.lr)) == 0.02
