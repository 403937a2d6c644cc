"""Training from a composed configuration to the files it leaves, on tiny scenes."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from tests.conftest import Run

from icnet.data.dataset import Frame
from icnet.errors import ConfigError, ICNetError, WeightsError
from icnet.training.module import SegmentationModule
from icnet.weights.checkpoint import load_checkpoint
from icnet.weights.download import sha256


def results_of(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "results.json").read_text())
    return content


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def weights_of_a_run(run_icnet: Run) -> Path:
    return run_icnet("trainer.max_steps=1", folder="first") / "checkpoints" / "best.ckpt"


def test_a_run_leaves_what_the_interface_promises(run_icnet: Run) -> None:
    folder = run_icnet("trainer.max_steps=4", "data.num_workers=0")
    left = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert {"results.json", "metrics.csv", "report.html", "checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= left
    assert {f"figures/{name}.png" for name in ("rows", "losses", "miou", "class_iou", "confusion")} <= left
    assert not [name for name in left if name.endswith(".part")]

    results = results_of(folder)
    assert results["task"] == "train"
    metrics, protocol = results["metrics"], results["protocol"]
    assert isinstance(metrics, dict)
    assert isinstance(protocol, dict)
    assert {
        "miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "iou", "image_ms", "category_miou", "iiou",
    } <= set(metrics)  # fmt: skip
    assert 0 <= metrics["miou"] <= 1
    assert (protocol["images"], protocol["image_size"], protocol["train_samples"]) == (3, [64, 128], 8)
    assert protocol["checkpoint_sha256"] == sha256(folder / "checkpoints" / "best.ckpt")

    rows = rows_of(folder)
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows}, key=int)
    for name in ("train/loss", "train/loss_sub4", "train/loss_sub24", "train/loss_sub124", "lr"):
        assert all(float(row[name]) >= 0 for row in rows), name
    for row in rows:
        stages = [float(row[f"train/loss_{stage}"]) for stage in ("sub4", "sub24", "sub124")]
        total = 0.4 * stages[0] + 0.4 * stages[1] + stages[2]
        assert float(row["train/loss"]) == pytest.approx(total, rel=1e-5)
    assert max(float(row["val/miou"] or 0) for row in rows) == pytest.approx(metrics["miou"], abs=1e-6)


def test_the_checkpoint_carries_all_that_its_use_needs_and_loads_weights_only(run_icnet: Run) -> None:
    folder = run_icnet("model.align_corners=true")
    content = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert content["icnet"]["classes"]["names"][0] == "road"
    assert content["icnet"]["architecture"]["align_corners"] is True
    assert content["icnet"]["frame_size"] == [64, 128]
    assert not any("_orig_mod" in key for key in content["state_dict"])
    net = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert net(torch.zeros(1, 3, 65, 97)).shape == (1, 10, 65, 97)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(run_icnet: Run) -> None:
    def weights(*overrides: str, folder: str) -> dict[str, torch.Tensor]:
        return load_checkpoint(run_icnet(*overrides, folder=folder) / "checkpoints" / "last.ckpt").state_dict()

    first, again = weights("seed=1", folder="a"), weights("seed=1", folder="b")
    other = weights("seed=2", folder="c")
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


@pytest.mark.slow
def test_the_number_of_loader_workers_changes_no_weight(run_icnet: Run) -> None:
    runs = [run_icnet("trainer.max_steps=4", f"data.num_workers={n}", folder=f"workers{n}") for n in (0, 1, 4)]
    states = [load_checkpoint(run / "checkpoints" / "last.ckpt").state_dict() for run in runs]
    for state in states[1:]:
        assert all(torch.equal(state[key], states[0][key]) for key in state)


def test_other_classes_start_from_the_weights_with_new_classifiers_that_are_named(
    run_icnet: Run, weights_of_a_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run_icnet(f"task.weights={weights_of_a_run}", "data/classes=cityscapes", "trainer.max_steps=1")
    assert "classifier.weight" in caplog.text
    assert "guide4.weight" in caplog.text


def test_new_layers_learn_faster_by_their_multiple(run_icnet: Run, weights_of_a_run: Path) -> None:
    folder = run_icnet(
        f"task.weights={weights_of_a_run}", "data/classes=cityscapes", "trainer.max_steps=1", "optimizer.lr=0.01",
        "optimizer.new_layers_multiple=10",
    )  # fmt: skip
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    rates = {group["initial_lr"] for group in content["optimizer_states"][0]["param_groups"]}
    assert rates == {0.01, 0.1}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("optimizer.lr=-0.1", "optimizer.lr is -0.1"),
        ("optimizer.weight_decay=-1", "optimizer.weight_decay is -1"),
        ("scheduler.power=-1", "scheduler.power is -1"),
        ("trainer.precision=bf17", "trainer.precision is bf17"),
        ("trainer.precision=bf16-true", "trainer.precision is bf16-true"),
        ("trainer.precision=16", "trainer.precision is 16: a CPU has no such convolutions"),
        ("trainer.accelerator=cuda", "trainer: "),
        ("loss.sub4=-1", "^loss.sub4 is -1"),
        ("loss.class_weights=[1,2]", "loss.class_weights has 2 entries for 10 classes"),
        ("model.fusion_channels=0", "fusion_channels is 0"),
        ("data.augment.flip=2", "data.augment.flip is 2"),
        ("model.backbone.weights=imagenet", "nobody publishes weights for 0.125 of the full width"),
    ],
)
def test_a_value_that_cannot_be_is_named_before_any_data_are_read(given: str, fault: str, run_icnet: Run) -> None:
    """There are none: what reads them first says so instead."""
    if given == "trainer.accelerator=cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ICNetError, match=fault):
        run_icnet(given, root=Path("nowhere"))


@pytest.mark.parametrize("precision", ["bf16", "32"])
def test_a_short_name_of_a_precision_trains_to_the_end(precision: str, run_icnet: Run) -> None:
    folder = run_icnet(f"trainer.precision={precision}", "trainer.max_steps=1")
    expected = {"bf16": ("bf16-mixed", "bfloat16"), "32": ("32-true", "float32")}
    protocol = results_of(folder)["protocol"]
    assert isinstance(protocol, dict)
    assert (protocol["precision"], protocol["timing"]["precision"]) == expected[precision]


def test_weights_that_do_not_exist_are_named(run_icnet: Run) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.ckpt"):
        run_icnet("task.weights=nowhere.ckpt")


def test_a_loss_that_is_not_finite_stops_the_run_with_advice_and_the_step_before_stays(
    run_icnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training_step = SegmentationModule.training_step

    def fail_at_step_3(self: SegmentationModule, batch: Frame, batch_idx: int) -> torch.Tensor:
        loss = training_step(self, batch, batch_idx)
        return loss * torch.nan if self.trainer.global_step == 2 else loss

    monkeypatch.setattr(SegmentationModule, "training_step", fail_at_step_3)
    with pytest.raises(ICNetError, match=r"the loss is not finite at step 3 .*lower optimizer\.lr"):
        run_icnet("trainer.max_steps=6", "task.save_every_steps=1")
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2
    assert all(value.isfinite().all() for value in kept["state_dict"].values())


def test_the_moving_average_is_what_best_holds_and_last_holds_both(run_icnet: Run) -> None:
    folder = run_icnet("callbacks=ema", "trainer.max_steps=4")
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    averaged, current = content["state_dict"], content["current_model_state"]
    assert set(averaged) == set(current)
    assert not torch.equal(averaged["net.classifier.weight"], current["net.classifier.weight"])


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss=cascade_ohem",),
        ("loss=cascade_equal", "loss.class_weights=median_frequency", "model.fusion=deconv3"),
        ("optimizer=adamw", "scheduler.warmup_steps=1"),
        ("trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=1.0"),
        ("trainer.precision=bf16-mixed", "model.channels_last=false"),
        ("data.val_fraction=0.34", "data.train_split=train"),
        ("data.train_split=[train,val]", "logger=[csv,tensorboard]"),
    ],
)
def test_the_switches_of_training_train(run_icnet: Run, overrides: tuple[str, ...]) -> None:
    results = results_of(run_icnet(*overrides))
    assert results["metrics"]


def test_validation_every_some_steps_is_logged_at_those_steps_and_at_the_end(run_icnet: Run) -> None:
    rows = rows_of(run_icnet("trainer.max_steps=5", "trainer.val_check_interval=2"))
    assert [int(row["step"]) for row in rows if row["val/miou"]] == [2, 4, 5]


def test_more_images_in_a_step_than_there_are_is_named(run_icnet: Run) -> None:
    with pytest.raises(ICNetError, match=r"lower data\.batch_size"):
        run_icnet("data.batch_size=7")


def test_the_cityscapes_recipe_takes_two_steps_on_a_tree_in_its_layout(run_icnet: Run) -> None:
    folder = run_icnet(
        "experiment=icnet_cityscapes", "backbone=resnet50_half", "model.backbone.width=0.125", "strategy=auto",
        "trainer.devices=1", "data.crop_size=[96,96]", "data.batch_size=2", "trainer.max_steps=2",
        "trainer.accelerator=cpu", tiny=False,
    )  # fmt: skip
    results = results_of(folder)
    assert results["name"] == "icnet_cityscapes"
    iou = results["metrics"]["iou"]  # type: ignore[index]
    assert len(iou) == 19


@pytest.mark.slow
def test_a_compiled_run_leaves_no_trace_of_it_in_the_file(run_icnet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graphs are run as they were traced: to generate their code takes minutes, and leaves what this leaves."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    folder = run_icnet("model.compile=true", "trainer.max_steps=1", "callbacks=ema")
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert not [key for part in ("state_dict", "current_model_state") for key in content[part] if "_orig_mod" in key]
    load_checkpoint(folder / "checkpoints" / "last.ckpt")


def test_the_losses_of_the_stages_and_the_score_are_said_in_the_log(
    run_icnet: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run_icnet("trainer.max_steps=1")
    (trained,) = [m for m in caplog.messages if m.startswith("step 1: train/loss")]
    assert all(f"train/loss_{stage} " in trained for stage in ("sub4", "sub24", "sub124"))
    (validated,) = [m for m in caplog.messages if m.startswith("step 1: val/")]
    assert "val/miou " in validated
    assert "val/iou/" not in validated


class Enough(Callback):
    """As EarlyStopping does at the end of an epoch."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = True


def test_a_training_that_ends_without_a_validation_leaves_its_last_step(run_icnet: Run, tmp_path: Path) -> None:
    settings = ("trainer.max_steps=9", "trainer.val_check_interval=9", f"+callbacks.enough._target_={__name__}.Enough")
    with pytest.raises(ICNetError, match="ended before its first validation"):
        run_icnet(*settings)
    content = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    place = content["SegmentationDataModule"]
    assert (content["global_step"], place) == (3, {"epoch": 0, "samples": 6})  # all samples of the first epoch


def test_a_share_of_the_data_that_is_no_batch_is_named(run_icnet: Run) -> None:
    with pytest.raises(ConfigError, match=r"trainer: .*limit_train_batches"):
        run_icnet("trainer.limit_train_batches=0.01")
