"""loss=distill task.teacher=...: a run with a teacher, with frames without labels, and what cannot be."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from tests.conftest import TINY, Run, compose_run, run_plain, write_checkpoint
from tests.tasks.test_resume import killed_after, same, state_of
from tests.tasks.test_train import results_of, rows_of
from tests.test_config import refusal

from icnet.config import settle_values
from icnet.data.images import write_image
from icnet.data.labels import ClassTable
from icnet.engines.load import load_engine
from icnet.errors import ConfigError, DataError, WeightsError
from icnet.objectives.distill import DIST
from icnet.tasks.setup.build import build
from icnet.tasks.setup.teacher import check_depth, check_teacher, find_label_maps, read_teacher
from icnet.tasks.train import build_objective
from icnet.weights.download import sha256

SHARED = ("data.batch_size=4", "data.unlabelled_share=0.5", "task.confidence=0.3", "callbacks=ema")


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames without labels."""
    folder, rng = tmp_path_factory.mktemp("extra"), np.random.default_rng(0)
    for number in range(5):
        write_image(folder / f"{number}.png", rng.integers(0, 256, (64, 128, 3), np.uint8))
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for other classes."""
    classes = ClassTable(["road", "car"], [(1, 2, 3), (4, 5, 6)])
    return write_checkpoint(tmp_path_factory.mktemp("other") / "other.ckpt", classes)


def test_a_run_is_taught_and_its_teacher_is_in_no_file(
    run_icnet: Run, checkpoint: Path, extra: Path, tmp_path: Path
) -> None:
    asked = ("loss=distill", f"task.teacher={checkpoint}", "loss.stages=[sub24,sub124]", f"data.unlabelled={extra}")
    with killed_after(1):
        run_icnet(*asked, *SHARED)
    for row in rows_of(tmp_path / "run"):
        terms = {name.removeprefix("train/loss_"): float(row[name]) for name in row if name.startswith("train/loss_")}
        assert set(terms) == {"sub4", "sub24", "sub124", "teacher_sub24", "teacher_sub124"}
        taught = 0.4 * terms["teacher_sub24"] + terms["teacher_sub124"]
        total = 0.4 * terms["sub4"] + 0.4 * terms["sub24"] + terms["sub124"] + 3 * taught
        assert float(row["train/loss"]) == pytest.approx(total, rel=1e-5)
        assert taught > 0
    content = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert {key.split(".")[0] for key in {*content["state_dict"], *content["current_model_state"]}} == {"net"}


@pytest.mark.slow
@pytest.mark.parametrize("frames", [None, 5])
def test_the_page_and_the_protocol_say_who_taught(
    frames: int | None, run_icnet: Run, checkpoint: Path, extra: Path
) -> None:
    shared = (f"data.unlabelled={extra}", *SHARED) if frames else ("data.batch_size=4",)
    folder = run_icnet("loss=distill_dist", f"task.teacher={checkpoint}", "trainer.max_steps=1", *shared)
    assert "teacher_sub124" in (folder / "report.html").read_text()
    protocol: Any = results_of(folder)["protocol"]
    assert (protocol["teacher"], protocol["teacher_sha256"]) == (str(checkpoint), sha256(checkpoint))
    assert (protocol["train_images"], protocol["train_samples"]) == (6, 4)
    assert (protocol.get("unlabelled_images"), protocol.get("confidence")) == (frames, 0.3 if frames else None)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_taught_run_ends_alike_when_it_was_resumed(
    workers: int, run_icnet: Run, checkpoint: Path, extra: Path, tmp_path: Path
) -> None:
    settings = (
        "loss=distill", f"task.teacher={checkpoint}", f"data.unlabelled={extra}", *SHARED, "trainer.max_steps=5",
        "trainer.val_check_interval=5", "task.save_every_steps=1",
    )  # fmt: skip
    with killed_after(5):
        run_icnet(*settings, "data.num_workers=0", folder="whole")
    with killed_after(2):
        run_icnet(*settings, f"data.num_workers={workers}", folder="cut")
    with killed_after(3):
        run_icnet(*settings, f"task.resume={tmp_path / 'cut'}", f"data.num_workers={workers}", folder="cut")
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        assert same(state_of(tmp_path / "whole")[part], state_of(tmp_path / "cut")[part]), part


@pytest.mark.slow
def test_a_folder_of_label_maps_teaches_what_the_network_that_wrote_it_is_sure_of(
    run_icnet: Run, checkpoint: Path, extra: Path, tmp_path: Path
) -> None:
    """At a confidence of 0 the network is sure everywhere; its label maps of whole frames are its answers to whole crops."""
    run_plain(tmp_path / "predicted", extra, "task=predict", f"ckpt={checkpoint}", f"source={extra}")
    frames = (
        f"data.unlabelled={extra}", "data.batch_size=4", "data.augment.scale=[1.0,1.0]", "data.augment.flip=0",
        "data.crop_size=[64,128]", "trainer.max_steps=1",
    )  # fmt: skip
    network = run_icnet(
        *frames, "loss=distill", "loss.weight=0", "task.confidence=0", f"task.teacher={checkpoint}", folder="network"
    )
    for loss in ("cascade_weighted", "distill"):
        maps = run_icnet(*frames, f"loss={loss}", f"task.teacher={tmp_path / 'predicted'}", folder=loss)
        assert float(rows_of(maps)[0]["train/loss"]) == pytest.approx(
            float(rows_of(network)[0]["train/loss"]), rel=1e-5
        )
        protocol: Any = results_of(maps)["protocol"]
        assert (protocol["teacher"], protocol["teacher_sha256"]) == (str(tmp_path / "predicted"), None)


@pytest.mark.slow
def test_an_exported_file_teaches_as_its_checkpoint_does(run_icnet: Run, checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    kit = tmp_path / "kit"
    run_plain(
        kit, tmp_path, "task=export", f"ckpt={checkpoint}", "task.certify=false", "task.size=[64,64]",
        "task.output=logits",
    )  # fmt: skip
    assert json.loads((kit / "model.json").read_text())["output"] == "logits"
    runs = [
        run_icnet("loss=distill", f"task.teacher={file}", "trainer.max_steps=1", folder=file.suffix)
        for file in (checkpoint, kit / "model.onnx")
    ]
    ours, theirs = ({k: float(v) for k, v in rows_of(run)[0].items() if k.startswith("train/loss")} for run in runs)
    assert theirs == pytest.approx(ours, rel=1e-4)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory, streets: Path) -> DictConfig:
    """A tiny run that asks a teacher; tests change copies of it."""
    folder = tmp_path_factory.mktemp("composed")
    config = compose_run([*TINY, "data.prepare=null", f"data.root={streets}", "loss=distill_dist"], folder)
    OmegaConf.set_struct(config, False)
    settle_values(config)
    return config


def teach(composed: DictConfig, **changes: Any) -> Any:
    """read_teacher with these settings, a__b being a.b."""
    config = composed.copy()
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value)
    return read_teacher(config, build(config.data, label_maps=find_label_maps(config)))


def test_the_objective_is_handed_the_teacher_and_its_confidence(composed: DictConfig, checkpoint: Path) -> None:
    config = OmegaConf.merge(composed, {"task": {"teacher": str(checkpoint), "confidence": 0.75}})
    assert isinstance(config, DictConfig)
    data = build(config.data)
    made: Any = build_objective(config, data, read_teacher(config, data))
    assert isinstance(made.kind, DIST)
    assert (made.teacher.card.classes, made.confidence, made.weight) == (data.classes, 0.75, 1.0)
    config.task.confidence = 2.0
    with pytest.raises(ConfigError, match=r"^task\.confidence is 2\.0"):
        build_objective(config, data, made.teacher)


CASCADE = {"_target_": "icnet.objectives.cascade.CascadeLoss"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, r"this loss needs a teacher: add .*task\.teacher=CKPT"),
        ({"task__teacher": "nowhere.ckpt"}, r"there is no file nowhere\.ckpt"),
        ({"task__teacher": "nowhere.onnx"}, r"there is no file nowhere\.onnx"),
        ({"task__teacher": "{checkpoint}", "loss": CASCADE}, r"asks nothing: add loss=distill"),
        ({"loss": CASCADE, "data__unlabelled": "{extra}"}, r"data\.unlabelled=.* needs a teacher"),
        (
            {"task__teacher": "{extra}"},
            r"is a folder, so of label maps for the frames of data\.unlabelled, which is not",
        ),
        ({"data__unlabelled": "{extra}", "data__unlabelled_share": 0.9}, r"data\.unlabelled_share is 0\.9"),
        ({"task__teacher": "{other}"}, r"other\.ckpt tells 2 classes apart.*choose the data="),
    ],
)
def test_what_cannot_teach_is_refused_before_any_data_are_read(
    changes: dict[str, Any], fault: str, composed: DictConfig, checkpoint: Path, extra: Path, other: Path
) -> None:
    places = {"checkpoint": checkpoint, "extra": extra, "other": other}
    given = {k: v.format(**places) if isinstance(v, str) else v for k, v in changes.items()}
    with pytest.raises((ConfigError, WeightsError), match=fault):
        teach(composed, **given)


@pytest.mark.parametrize(
    ("card", "fault"),
    [
        ({"has_scores": False}, r"gives label maps, no scores: .*task\.output=logits.*task=predict"),
        (
            {"size": (64, 128)},
            r"takes frames of 64x128 alone.* crops of 64x64: .*=dynamic or task\.size=\[64,64\]",
        ),
    ],
)
def test_a_file_that_cannot_answer_for_crops_is_refused(
    card: dict[str, Any], fault: str, composed: DictConfig, checkpoint: Path
) -> None:
    engine: Any = load_engine(checkpoint)
    check_teacher(engine, checkpoint, build(composed.data))
    engine.card = replace(engine.card, **card)
    with pytest.raises(ConfigError, match=fault):
        check_teacher(engine, checkpoint, build(composed.data))


def test_a_teacher_of_other_bits_is_refused(composed: DictConfig, checkpoint: Path) -> None:
    engine: Any = load_engine(checkpoint)
    data: Any = build(composed.data)
    data.setup()
    check_depth(None, data)
    check_depth(engine, data)
    engine.card = replace(engine.card, bit_depth=12)
    with pytest.raises(
        ConfigError, match=r"takes 12 bits of 16-bit images for used, and the training 16: say data\.bit_depth=12"
    ):
        check_depth(engine, data)


def test_a_folder_that_holds_validation_frames_is_refused(
    composed: DictConfig, checkpoint: Path, streets: Path, tmp_path: Path
) -> None:
    shutil.copytree(streets / "leftImg8bit", tmp_path / "all")
    config = composed.copy()
    config.data.unlabelled = str(tmp_path / "all")
    with pytest.raises(DataError, match="which is the validation frame"):
        build(config.data).setup()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            ["task.confidence=0.5", "data.unlabelled_share=0.5"],
            "data.unlabelled_share, task.confidence: of frames without",
        ),
        (["task=evaluate", "data.unlabelled=DIR"], "data.unlabelled: without effect in task=evaluate"),
        (["loss=distill", "+loss.kind.temp=1"], "loss.kind.temp is not a setting: did you mean temperature"),
    ],
)
def test_a_setting_without_effect_is_refused(settings: list[str], fault: str) -> None:
    assert fault in refusal(*settings)
