"""The table of published weights: what fits which trunk, and what is said where nothing does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from tests.conftest import Run
from tests.weights.test_weights import foreign_names

from icnet.errors import WeightsError
from icnet.model.icnet import ICNet
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.model.trunks.resnet import ResNetSpec, resnet18, resnet34, resnet50, resnet101
from icnet.weights.download import checksum_in, is_url
from icnet.weights.published import PUBLISHED, find_published, list_published
from icnet.weights.start import load_trunk, read_weights


@pytest.mark.parametrize("maker", [resnet18, resnet34, resnet50, resnet101])
def test_every_depth_has_torchvisions_file_for_the_7x7_stem(maker: type[ResNetSpec]) -> None:
    found = find_published(maker(stem="7x7", stride_on="3x3"))  # type: ignore[call-arg, arg-type]
    assert found.url.startswith(f"https://download.pytorch.org/models/{maker.__name__}-")
    assert found.host.licence == "BSD-3-Clause"


def test_the_authors_stem_and_the_v1c_stem_have_files_of_their_own() -> None:
    assert find_published(resnet50(stride_on="3x3")).file == "resnet50-25c4b509.pth"
    assert find_published(resnet101(stride_on="3x3")).file == "resnet101-2a57e44d.pth"
    assert find_published(resnet18(stem="v1c")).file == "resnet18_v1c-b5776b93.pth"
    assert find_published(resnet50(stem="v1c", stride_on="3x3")).file == "resnet50_v1c-2cccc1ad.pth"
    assert find_published(resnet101(stem="v1c", stride_on="3x3")).file == "resnet101_v1c-e67eebb6.pth"


def test_every_file_is_checked_and_fits_one_trunk_alone() -> None:
    assert all(checksum_in(each.file) for each in PUBLISHED if is_url(each.url))
    assert all(each.host.licence and each.host.source for each in PUBLISHED)
    assert len({str(each.trunk) for each in PUBLISHED}) == len({each.url for each in PUBLISHED}) == len(PUBLISHED)


def test_the_stems_have_the_channels_of_the_files() -> None:
    """64, 64, 128 in PyTorch-Encoding (as the authors), 32, 32, 64 in GluonCV's v1c."""
    assert (resnet50().stem, resnet50(stem="v1c").stem, resnet50(stem="7x7").stem) == (
        (64, 64, 128),
        (32, 32, 64),
        (64,),
    )
    assert resnet18(stem="v1c").stages[0][0].project is False
    assert resnet18().stages[0][0].project is True


@pytest.mark.parametrize(("stem", "named"), [("3x3", "nested"), ("v1c", "numbered")])
def test_the_names_of_both_kinds_of_files_are_understood(stem: str, named: str, tmp_path: Path) -> None:
    spec = resnet50(0.125, stem, "3x3")
    source, target = ICNet(spec, 3), ICNet(spec, 3)
    torch.save(foreign_names(source, named) | {"fc.weight": torch.zeros(2, 2)}, tmp_path / "w.pth")
    load_trunk(target, target.backbone, read_weights(tmp_path / "w.pth"))
    assert torch.equal(target.backbone.stem[2].conv.weight, source.backbone.stem[2].conv.weight)  # type: ignore[union-attr]


def test_half_width_is_told_what_to_do_instead() -> None:
    with pytest.raises(WeightsError) as caught:
        find_published(resnet50(width=0.5))
    assert str(caught.value) == (
        "model.backbone.weights=imagenet: nobody publishes weights for 0.5 of the full width: train full width, "
        "backbone=resnet50 model.backbone.stride_on=3x3 model.backbone.weights=imagenet, then cut it with task=compress"
    )


@pytest.mark.parametrize(
    ("spec", "nearest"),
    [
        (resnet50(), "backbone=resnet50 model.backbone.stride_on=3x3 "),
        (resnet50(stem="v1c"), "backbone=resnet50 model.backbone.stem=v1c model.backbone.stride_on=3x3 "),
        (resnet34(), "backbone=resnet34 model.backbone.stem=7x7 "),
        (efficientnet_lite(width=1.1), "backbone=efficientnet_lite"),
    ],
)
def test_a_trunk_without_a_file_is_told_the_nearest_that_has_one(spec: TrunkSpec, nearest: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(f"the nearest that has some: {nearest}")):
        find_published(spec)


def test_the_list_begins_with_what_fits() -> None:
    lines = list_published(resnet18(stem="7x7")).splitlines()
    assert lines[:2] == ["Fits this trunk:", "backbone=resnet18 model.backbone.stem=7x7"]
    assert lines[2].split() == [
        "https://download.pytorch.org/models/resnet18-f37072fd.pth", "(BSD-3-Clause;", "torchvision,", "IMAGENET1K_V1)"
    ]  # fmt: skip
    assert lines[3] == "Fits another one:"
    assert list_published(resnet50(0.5)).startswith("None fits this trunk.\nFits another one:\n")


def test_asking_for_the_list_trains_nothing(run_icnet: Run, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_icnet("model.backbone.weights=list")
    assert "resnet50-0676ba61.pth" in capsys.readouterr().out
    assert not list(folder.iterdir())
