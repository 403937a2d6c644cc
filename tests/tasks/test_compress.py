"""task=compress: rounds of cutting and fine-tuning, what they leave, what is refused."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tests.conftest import PLAIN, Run, compose_run, run_plain, write_checkpoint
from tests.kill_and_resume import start, wait_for_first_row
from tests.report.shown import words_of
from tests.tasks.test_resume import killed_after, same, state_of

from icnet.data.labels import ClassTable
from icnet.errors import ConfigError, WeightsError
from icnet.model.icnet import ICNet
from icnet.model.prune import cut, find_groups
from icnet.model.trunks.resnet import resnet18
from icnet.report.compress import write_compression
from icnet.report.results import write_results
from icnet.streets.write import write_streets
from icnet.tasks.compress.order import Order, read_order
from icnet.tasks.compress.rounds import read_data
from icnet.tasks.setup.resume import resumed_config
from icnet.training import datamodule
from icnet.weights.checkpoint import load_checkpoint, read_source
from icnet.weights.download import sha256

ROUNDS = (
    "task=compress", "task.keep=[0.75,0.5]", "data.crop_size=[64,64]", "data.batch_size=2", "trainer.max_steps=2",
    "task.save_every_steps=1", "task.sensitivity_images=0",
)  # fmt: skip


def read_metrics(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "results.json").read_text())["metrics"]
    return metrics


def order(net: ICNet, **task: Any) -> Order:
    return read_order(OmegaConf.create({"keep": [0.75, 0.5], "rank": "l1"} | task), 0, net)


@pytest.fixture(scope="module")
def net() -> ICNet:
    return ICNet(resnet18(width=0.125), 3, 16)


@pytest.mark.parametrize(
    ("keep", "fault"),
    [
        ([0.75, 0.0], r"task\.keep is \[0\.75, 0\.0\]: give a list of shares above 0 and at most 1"),
        ([1.5], r"task\.keep is \[1\.5\]"),
        ([-0.5], r"task\.keep is \[-0\.5\]"),
        ([True], r"task\.keep is \[True\]"),
        (["half"], r"task\.keep is \['half'\]"),
        ([], r"task\.keep is \[\]"),
        (
            [0.5, 0.75],
            r"task\.keep is \[0\.5, 0\.75\]: give falling shares, each of the width that the network of ckpt has",
        ),
        ([0.5, 0.5], "falling"),
        ([0.5, 0.1], r"task\.keep has 0\.1, which leaves branch\.0 none of its 4 filters: give more than 0\.125"),
    ],
)
def test_shares_that_cannot_be_kept_are_named(net: ICNet, keep: list[Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        order(net, keep=keep)


def test_a_rank_that_there_is_not_is_named(net: ICNet) -> None:
    with pytest.raises(ConfigError, match=r"task\.rank is 'l2': choose l1 or random"):
        order(net, rank="l2")


def test_a_network_that_cannot_be_cut_is_named() -> None:
    net = ICNet(resnet18(width=0.125), 3, 16)
    net.branch[1].conv = torch.nn.ConvTranspose2d(4, 4, 2)
    with pytest.raises(
        ConfigError, match=r"ckpt cannot be compressed \(branch\.1\.conv \(ConvTranspose2d\) cannot be cut"
    ):
        order(net)


def test_every_share_is_one_of_the_width_that_was_given(net: ICNet) -> None:
    both = order(net, keep=[1, 0.5])
    first, second = (both.choose(net, share) for share in both.keep)
    assert all(len(channels) == group.width for group, channels in first.items())
    assert all(len(channels) == group.width // 2 for group, channels in second.items())
    assert {name: width // 2 for name, width in both.widths.items()} == {
        group.name: len(channels) for group, channels in second.items()
    }


def test_a_random_rank_is_the_same_for_the_same_seed_and_another_one_for_another(net: ICNet) -> None:
    random, again = order(net, rank="random"), order(net, rank="random")
    other = Order(random.keep, "random", 1, random.widths)
    kept = [[channels.tolist() for channels in each.choose(net, 0.5).values()] for each in (random, again, other)]
    assert kept[0] == kept[1] != kept[2]


def test_a_network_of_other_classes_is_refused_before_anything_is_trained(run_icnet: Run, tmp_path: Path) -> None:
    classes = ClassTable(["a", "b"], [[0, 0, 0]] * 2)
    given = write_checkpoint(tmp_path / "other.ckpt", classes)
    with pytest.raises(ConfigError, match="tells 2 classes apart"):
        run_icnet(*ROUNDS, f"ckpt={given}", tiny=False)
    assert not (tmp_path / "run" / "rounds").exists()


def test_a_file_that_is_no_checkpoint_is_refused(run_icnet: Run, tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}}, tmp_path / "a.ckpt")
    with pytest.raises(WeightsError, match=r"a\.ckpt is no checkpoint of icnet"):
        run_icnet(*ROUNDS, f"ckpt={tmp_path / 'a.ckpt'}", tiny=False)


def test_frames_are_judged_without_a_look_at_those_of_training(
    streets: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which data.sampler=rare would read all labels of."""
    monkeypatch.setattr(datamodule, "count_pixels", lambda *_: pytest.fail("the labels of training were read"))
    cfg = compose_run([*ROUNDS, *PLAIN, f"data.root={streets}", "data.sampler=rare"], tmp_path)
    _, frames = read_data(cfg, read_source(checkpoint))
    assert [sample.image.parent.parent.name for sample in frames.frames.samples] == ["val"] * 3


def test_a_compression_is_resumed_as_long_as_it_was(tmp_path: Path) -> None:
    """Its rounds would differ in length."""
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(compose_run(["task=compress"], tmp_path), tmp_path / ".hydra" / "config.yaml")
    given = ["trainer.max_steps=9", f"task.resume={tmp_path}"]
    config = compose_run(given, tmp_path / "now")
    with pytest.raises(ConfigError, match=r"trainer\.max_steps would make .* another run"):
        resumed_config(config, given)


def test_the_page_says_what_is_left_and_which_layers_bear_a_cut(tmp_path: Path) -> None:
    size = {"image_ms": 8.0, "miou_interval": [0.4, 0.6]}
    full = {"keep": 1.0, "parameters": 26_677_395, "macs": 117_000_000_000, "miou": 0.61} | size
    rounds = [
        {"keep": 0.75, "parameters": 15_000_000, "macs": 66_000_000_000, "miou_cut": 0.4, "miou": 0.6} | size,
        {"keep": 0.5, "parameters": 6_671_443, "macs": 29_810_000_000, "miou_cut": 0.3, "miou": 0.58} | size,
    ]
    layers = [
        {"group": "branch.0", "convolutions": 1, "width": 64, "miou": 0.5, "drop": 0.11},
        {"group": "backbone.conv5.0.increase", "convolutions": 4, "width": 2048, "miou": 0.62, "drop": -0.01},
    ]
    metrics = {"miou": 0.58, "full": full, "rounds": rounds, "sensitivity": layers}
    protocol = {"images": 60, "data": "streets", "split": "val", "rank": "l1", "device": "X"}
    protocol["sensitivity"] = {"keep": 0.5, "images": 8}
    write_results(tmp_path, "compress", "streets", metrics, protocol, 1.0)
    page = write_compression(tmp_path).read_text()
    words = words_of(page)
    assert "With 50 % of its filters in each layer the network keeps 58.0 of 61.0 % mean IoU" in words.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "6.67 M of 26.68 M" in words
    assert "58.0 % at 50 %, 30.0 % before fine-tuning" in page.replace("\N{NO-BREAK SPACE}", " ")
    assert re.findall(r'<i style="width:([\d.]+)%', page) == ["100.0", "0.0"]


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory, streets: Path, checkpoint: Path) -> Path:
    """A run of two rounds that was never stopped."""
    folder = tmp_path_factory.mktemp("compressed") / "run"
    run_plain(folder, streets, *ROUNDS, "task.sensitivity_images=2", f"ckpt={checkpoint}")
    return folder


@pytest.mark.slow
def test_each_round_is_cut_fine_tuned_and_judged_and_the_last_is_the_result(compressed: Path, checkpoint: Path) -> None:
    metrics = read_metrics(compressed)
    assert [row["keep"] for row in metrics["rounds"]] == [0.75, 0.5]
    assert set(metrics["rounds"][0]) >= {"keep", "parameters", "macs", "miou_cut", "miou", "image_ms"}
    for name in ("parameters", "macs"):
        assert metrics["full"][name] > metrics["rounds"][0][name] > metrics["rounds"][1][name]
    assert metrics["miou"] == metrics["rounds"][1]["miou"] == read_metrics(compressed / "rounds" / "0.5")["miou"]
    best = load_checkpoint(compressed / "checkpoints" / "best.ckpt")
    assert best.architecture == ICNet(resnet18(width=0.0625), 10, 8).architecture
    groups = [group.name for group in find_groups(load_checkpoint(checkpoint))]
    assert [layer["group"] for layer in metrics["sensitivity"]] == groups
    assert all(layer["drop"] <= 1 for layer in metrics["sensitivity"])
    protocol = json.loads((compressed / "results.json").read_text())["protocol"]
    assert protocol["train_samples"] == 8  # two rounds of two steps of two
    assert protocol["checkpoint_sha256"] == sha256(compressed / "checkpoints" / "best.ckpt")
    assert "Which layers bear a cut" in (compressed / "report.html").read_text()


@pytest.mark.slow
def test_the_score_before_fine_tuning_is_that_of_the_cut_network(
    compressed: Path, streets: Path, tmp_path: Path, checkpoint: Path
) -> None:
    net = load_checkpoint(checkpoint)
    smaller = cut(net, order(net).choose(net, 0.75))
    content = torch.load(checkpoint, weights_only=True)
    content["icnet"]["architecture"] = smaller.architecture
    content["state_dict"] = {f"net.{name}": value for name, value in smaller.state_dict().items()}
    torch.save(content, tmp_path / "cut.ckpt")
    judged = run_plain(
        tmp_path / "judged", streets, "task=evaluate", f"ckpt={tmp_path / 'cut.ckpt'}", "task.exits=false"
    )
    assert read_metrics(compressed)["rounds"][0]["miou_cut"] == pytest.approx(judged["metrics"]["miou"], abs=1e-3)


@pytest.mark.slow
def test_the_result_is_evaluated_fine_tuned_and_exported_like_any_checkpoint(
    compressed: Path, streets: Path, tmp_path: Path
) -> None:
    best = compressed / "checkpoints" / "best.ckpt"
    judged = run_plain(tmp_path / "judged", streets, "task=evaluate", f"ckpt={best}", "task.exits=false")
    assert judged["metrics"]["miou"] == read_metrics(compressed)["miou"]
    tuned = ("data.crop_size=[64,64]", "data.batch_size=2", "trainer.max_steps=1", "task.architecture=file")
    run_plain(tmp_path / "tuned", streets, *tuned, f"task.weights={best}")
    again = load_checkpoint(tmp_path / "tuned" / "checkpoints" / "best.ckpt")
    assert again.architecture == load_checkpoint(best).architecture
    exported = run_plain(tmp_path / "kit", streets, "task=export", f"ckpt={best}", "task.size=[64,128]")
    assert exported["metrics"]["agreement"] > 0.999


@pytest.mark.slow
def test_a_compression_that_was_cut_off_ends_as_the_one_that_was_not_and_repeats_no_round(
    compressed: Path, streets: Path, tmp_path: Path, checkpoint: Path
) -> None:
    folder = tmp_path / "run"
    settings = (*ROUNDS, f"ckpt={checkpoint}")
    with killed_after(writes=4):  # three are those of the first round
        run_plain(folder, streets, *settings)
    first = folder / "rounds" / "0.75" / "checkpoints" / "last.ckpt"
    done = first.stat()
    run_plain(folder, streets, *settings, f"task.resume={folder}")
    assert first.stat() == done
    for part in ("rounds/0.75", "rounds/0.5"):
        assert same(state_of(folder / part)["state_dict"], state_of(compressed / part)["state_dict"])
    assert read_metrics(folder)["rounds"][1]["miou_cut"] == read_metrics(compressed)["rounds"][1]["miou_cut"]


@pytest.mark.slow
def test_a_signal_saves_the_step_of_the_round_and_names_the_folder_to_go_on_with(
    tmp_path: Path, streets: Path, checkpoint: Path
) -> None:
    folder = tmp_path / "run"
    settings = (*PLAIN, *ROUNDS, f"data.root={streets}", f"ckpt={checkpoint}", "trainer.max_steps=100000")
    process = start(folder, *settings, f"hydra.run.dir={folder}")
    wait_for_first_row(process, folder / "rounds" / "0.75")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 143
    said = (tmp_path / "run.out").read_text()
    assert said.rstrip().endswith(f"which is saved; go on with: python run.py task.resume={folder}")
    assert "Traceback" not in said
    assert (folder / "rounds" / "0.75" / "checkpoints" / "last.ckpt").is_file()
    assert not (folder / "results.json").exists()


@pytest.mark.slow
def test_a_halved_network_beats_one_of_half_width_that_learned_as_long_as_it_was_fine_tuned(tmp_path: Path) -> None:
    """And fine-tuning brings back what the cut took, in part. At an equal number of samples in all it need not: README."""
    root = write_streets(tmp_path / "streets", train=60, val=16, size=(64, 128), seed=0)
    small = ("backbone=resnet18", "model.backbone.width=0.25", "model.fusion_channels=32")
    smaller = ("backbone=resnet18", "model.backbone.width=0.125", "model.fusion_channels=16")
    samples = ("data.crop_size=[64,64]", "data.batch_size=4")
    full = run_plain(tmp_path / "full", root, *small, *samples, "trainer.max_steps=160")["metrics"]["miou"]
    scratch = run_plain(tmp_path / "scratch", root, *smaller, *samples, "trainer.max_steps=80")["metrics"]["miou"]
    ckpt = f"ckpt={tmp_path / 'full' / 'checkpoints' / 'best.ckpt'}"
    rounds = ("task=compress", "task.keep=[0.5]", "task.sensitivity_images=0", "trainer.max_steps=80")
    (halved,) = run_plain(tmp_path / "halved", root, *rounds, *samples, ckpt)["metrics"]["rounds"]
    assert halved["miou"] > scratch + 0.03
    assert halved["miou_cut"] < full - 0.03
    assert halved["miou"] - halved["miou_cut"] > 0.3 * (full - halved["miou_cut"])
