"""An objective of one's own: a class, its YAML file, `loss=NAME`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from tests.conftest import Run, compose_run
from tests.tasks.test_resume import killed_after, same, state_of
from tests.tasks.test_train import rows_of
from torch import Tensor, nn

from icnet.config import check_config
from icnet.model.icnet import CascadeLogits
from icnet.model.layers import sample_labels, size_of


class TeachersLoss(nn.Module):
    """Labels, and the brightness that a small teacher sees."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self.teacher = nn.Sequential(nn.Conv2d(3, 1, 4, stride=4), nn.BatchNorm2d(1)).eval().requires_grad_(False)

    def terms(self, frames: Tensor, outputs: CascadeLogits, labels: Tensor) -> dict[str, Tensor]:
        assert not any(module.training for module in self.teacher)
        seen = self.teacher(frames.permute(0, 3, 1, 2).float() / 255)
        labelled, taught = self.validate(outputs, labels), (outputs.sub124[:, :1] - seen).square().mean()
        return {"labelled": labelled, "taught": taught, "total": labelled + self.weight * taught}

    def validate(self, outputs: CascadeLogits, labels: Tensor) -> Tensor:
        sampled = sample_labels(labels, size_of(outputs.sub124)).long()
        return F.cross_entropy(outputs.sub124, sampled, ignore_index=255)


@pytest.fixture
def own(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "conf" / "loss").mkdir(parents=True)
    (tmp_path / "conf" / "loss" / "teachers.yaml").write_text(f"_target_: {__name__}.TeachersLoss\nweight: 0.5\n")
    return (
        f"hydra.searchpath=[file://{tmp_path}/conf]", "loss=teachers", "callbacks=ema", "trainer.max_steps=4",
        "trainer.val_check_interval=2",
    )  # fmt: skip


@pytest.mark.parametrize("data", ["streets", "camvid", "cityscapes"])
def test_an_objective_has_its_own_settings_whatever_the_data(data: str, own: tuple[str, ...], tmp_path: Path) -> None:
    config = compose_run([f"data={data}", *own], tmp_path / "run")
    check_config(config)
    assert set(config.loss) == {"_target_", "weight"}


def test_the_terms_of_an_objective_are_logged_and_shown_and_its_teacher_is_in_no_file(
    run_icnet: Run, own: tuple[str, ...]
) -> None:
    folder = run_icnet(*own)
    for row in rows_of(folder):
        labelled, taught = float(row["train/loss_labelled"]), float(row["train/loss_taught"])
        assert float(row["train/loss"]) == pytest.approx(labelled + 0.5 * taught, rel=1e-5)
    page = (folder / "report.html").read_text()
    assert "labelled" in page
    assert "taught" in page
    for name in ("best", "last"):
        content = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        kept = {*content["state_dict"], *content["current_model_state"]}
        assert {key.split(".")[0] for key in kept} == {"net"}


def test_a_run_with_an_objective_of_its_own_ends_alike_when_it_was_resumed(
    run_icnet: Run, own: tuple[str, ...], tmp_path: Path
) -> None:
    with killed_after(4):
        run_icnet(*own, folder="whole")
    with killed_after(2):
        run_icnet(*own, folder="cut")
    with killed_after(2):
        run_icnet(*own, f"task.resume={tmp_path / 'cut'}", folder="cut")
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        assert same(state_of(tmp_path / "whole")[part], state_of(tmp_path / "cut")[part]), part
