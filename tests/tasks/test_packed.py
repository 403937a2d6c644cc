"""Training from packed data, which nobody needs to ask for."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from tests.conftest import Run

from icnet.data.labels import ClassTable
from icnet.data.layouts import CityscapesLayout, FolderLayout
from icnet.data.pack.read import PackedFrames
from icnet.data.pack.write import pack
from icnet.data.samples import Layout
from icnet.data.transforms import Augment
from icnet.files import conf_folder
from icnet.tasks.setup.build import build
from icnet.training.datamodule import SegmentationDataModule

CAMVID = os.environ.get("ICNET_CAMVID", "nowhere")
CLASSES = ClassTable(["class " + str(n) for n in range(34)], [(n, n, n) for n in range(34)])


def classes_of(name: str) -> ClassTable:
    classes: ClassTable = build(OmegaConf.load(conf_folder() / "data" / "classes" / f"{name}.yaml"))  # type: ignore[arg-type]
    return classes


def write_packs(layout: Layout, classes: ClassTable, folder: Path, *splits: str, compress: bool = False) -> Path:
    for split in splits:
        pack(layout.samples(split), classes, folder / split, compress=compress)
    return folder


def data_of(root: Path, packed: Path | None, **settings: object) -> SegmentationDataModule:
    data = SegmentationDataModule(
        name="streets",
        root=str(root),
        layout=CityscapesLayout,  # type: ignore[arg-type]
        classes=CLASSES,
        augment=Augment,
        crop_size=(64, 64),
        batch_size=2,
        packed=None if packed is None else str(packed),
        **settings,  # type: ignore[arg-type]
    )
    data.setup()
    return data


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def check_equal(first: Path, second: Path) -> None:
    weights, others = weights_of(first), weights_of(second)
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in weights)


@pytest.mark.slow
def test_packed_data_train_the_same_weights_bit_for_bit(
    run_icnet: Run, streets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jitter = [f"data.augment.{name}=0.2" for name in ("brightness", "contrast", "saturation", "hue")]
    files = run_icnet("trainer.max_steps=3", *jitter, folder="files")
    assert "packed" not in caplog.text
    layout, classes = CityscapesLayout(streets), classes_of("streets")
    write_packs(layout, classes, tmp_path / "packed", "train")
    write_packs(layout, classes, tmp_path / "packed", "val", compress=True)
    with caplog.at_level(logging.INFO):
        packed = run_icnet("trainer.max_steps=3", *jitter, f"data.packed={tmp_path}/packed", folder="run")
    assert caplog.text.count(f"Training reads packed frames from {tmp_path}/packed") == 1
    assert caplog.text.count(f"Validation reads packed frames from {tmp_path}/packed") == 1
    check_equal(files, packed)


def test_a_source_that_changed_is_named_and_training_reads_the_files(
    streets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = Path(shutil.copytree(streets, tmp_path / "streets"))
    packed = write_packs(CityscapesLayout(root), CLASSES, root / "packed", "train", "val")
    changed = CityscapesLayout(root).samples("train")[1].image
    changed.touch()
    with caplog.at_level(logging.INFO):
        data = data_of(root, packed)
    assert data.train_set.packed is None
    assert isinstance(data.val_set.packed, PackedFrames)
    assert f"Training reads the files, not the packed frames: {changed} or its label changed" in caplog.text
    assert "task=prepare task.pack=true" in caplog.text


def test_only_one_split_may_be_packed(streets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    packed = write_packs(CityscapesLayout(streets), CLASSES, tmp_path / "packed", "train")
    with caplog.at_level(logging.INFO):
        data = data_of(streets, packed)
    assert data.train_set.packed is not None
    assert data.val_set.packed is None
    assert "Validation" not in caplog.text


def test_frames_set_aside_from_the_training_split_are_read_from_its_pack(streets: Path, tmp_path: Path) -> None:
    packed = write_packs(CityscapesLayout(streets), CLASSES, tmp_path / "packed", "train")
    data, files = (data_of(streets, place, val_fraction=0.34) for place in (packed, None))
    assert data.val_set.packed is not None
    assert len(data.val_set) == 2
    for number in range(2):
        assert torch.equal(data.val_set[number].image, files.val_set[number].image)
        assert torch.equal(data.val_set[number].label, files.val_set[number].label)


def test_several_training_splits_are_read_from_their_packs(streets: Path, tmp_path: Path) -> None:
    packed = write_packs(CityscapesLayout(streets), CLASSES, tmp_path / "packed", "train", "val")
    data = data_of(streets, packed, train_split=["train", "val"])
    assert data.train_set.packed is not None
    assert len(data.train_set) == 9


def test_loaders_of_packed_data_have_workers_that_live_on_and_are_ahead(streets: Path, tmp_path: Path) -> None:
    data = data_of(streets, tmp_path / "none", num_workers=2)
    loader = data.train_dataloader()
    assert loader.persistent_workers
    assert loader.prefetch_factor == 4
    assert data_of(streets, None, num_workers=0).train_dataloader().prefetch_factor is None


@pytest.mark.slow
@pytest.mark.skipif(not Path(CAMVID, "images").is_dir(), reason="needs CamVid in the folder that ICNET_CAMVID names")
def test_camvid_trains_from_packed_data_to_the_weights_it_trains_to_from_files(run_icnet: Run, tmp_path: Path) -> None:
    classes = classes_of("camvid")
    write_packs(FolderLayout(Path(CAMVID)), classes, tmp_path / "packed", "train", "val")
    run = [
        "experiment=icnet_camvid",
        "trainer.max_steps=4",
        "trainer.val_check_interval=4",
        "trainer.limit_val_batches=2",
    ]
    run += ["scheduler.warmup_steps=1", "loss.class_weights=null"]
    files, packed = (
        run_icnet(*run, f"data.packed={place}", folder=name, root=Path(CAMVID))
        for name, place in (("files", "null"), ("run", tmp_path / "packed"))
    )
    check_equal(files, packed)
