"""The network run by PyTorch: what every engine has to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import shallow_trunk, write_checkpoint

from icnet.data.labels import ClassTable
from icnet.engines.load import load_engine
from icnet.engines.pytorch import CompiledEngine, TorchEngine
from icnet.errors import ConfigError, DataError
from icnet.model.icnet import STAGES, ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.resnet import resnet18
from icnet.predict import Predictor

CLASSES = ClassTable(list("abcde"), [[n, n, n] for n in range(5)])


@pytest.fixture
def net() -> ICNet:
    return build_net(resnet18(width=0.125))


def build_net(trunk: TrunkSpec) -> ICNet:
    torch.manual_seed(0)
    net = ICNet(trunk, num_classes=5, fusion_channels=16).eval()
    for head in (net.classifier, net.guide4, net.guide24):
        torch.nn.init.normal_(head.weight)
    return net


def frames(*shape: int) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return torch.from_numpy(pixels)


@pytest.mark.parametrize("stage", STAGES)
def test_a_label_map_is_the_argmax_of_the_scores_and_these_are_the_networks(net: ICNet, stage: str) -> None:
    engine, batch = TorchEngine(net, Normalize(), CLASSES, stage), frames(2, 64, 96)
    with torch.inference_mode():
        expected = net.exit_at(stage)(Normalize()(batch))
    torch.testing.assert_close(engine.scores(batch), expected)
    assert torch.equal(engine.label_maps(batch), expected.argmax(dim=1).to(torch.uint8))


def test_a_look_has_all_stages_up_to_the_exit_from_one_pass_of_the_trunk(net: ICNet) -> None:
    batch = frames(2, 64, 96)
    images = Normalize()(batch)
    with torch.inference_mode():
        cascade, features = net.cascade(images), net.trunk(images)[1].mean(dim=(2, 3))
    for exit, count in (("sub124", 3), ("sub24", 2), ("sub4", 1)):
        engine = TorchEngine(net, Normalize(), CLASSES, exit)
        look = engine.look(batch)
        assert torch.equal(look.label_maps, engine.label_maps(batch))
        torch.testing.assert_close(look.features, features)
        torch.testing.assert_close(look.stages, list(cascade[:count]))
    guideless = TorchEngine(net, Normalize(), CLASSES, exits=("sub124",))
    assert len(guideless.look(batch).stages) == 1


def test_an_exit_has_the_parameters_that_it_needs_and_no_others(net: ICNet) -> None:
    whole = TorchEngine(net, Normalize(), CLASSES)
    guidance = sum(p.numel() for head in (net.guide4, net.guide24) for p in head.parameters())
    assert whole.card.parameters == sum(p.numel() for p in net.parameters()) - guidance
    trunk = sum(p.numel() for part in (net.backbone, net.ppm, net.guide4) for p in part.parameters())
    assert whole.at("sub4").card.parameters == trunk


def test_an_exit_that_does_not_exist_is_named(net: ICNet) -> None:
    with pytest.raises(ConfigError, match=r"task\.exit is 'sub42': choose one of sub4, sub24, sub124"):
        TorchEngine(net, Normalize(), CLASSES).at("sub42")


def test_a_card_says_what_the_network_computes_in(net: ICNet) -> None:
    assert TorchEngine(net, Normalize(), CLASSES).card.precision == "float32"
    engine = TorchEngine(net, Normalize(), CLASSES, autocast=torch.bfloat16)
    assert (engine.card.precision, engine.at("sub24").card.precision) == ("bfloat16", "bfloat16")


def test_scores_are_fp32_and_decide_as_the_label_map_does_under_bf16(net: ICNet) -> None:
    engine, batch = TorchEngine(net, Normalize(), CLASSES, autocast=torch.bfloat16), frames(1, 128, 192)
    assert engine.scores(batch).dtype == torch.float32
    assert torch.equal(engine.label_maps(batch), engine.scores(batch).argmax(dim=1).to(torch.uint8))


@pytest.mark.slow
def test_a_compiled_network_scores_as_the_plain_one() -> None:
    net = build_net(shallow_trunk())
    plain, compiled = TorchEngine(net, Normalize(), CLASSES), CompiledEngine(net, Normalize(), CLASSES)
    batch = frames(1, 64, 96)
    torch.testing.assert_close(compiled.scores(batch), plain.scores(batch), atol=1e-4, rtol=1e-4)
    assert compiled.at("sub4").card.kind == "PyTorch, compiled"


def test_a_frame_too_small_for_the_network_is_named(net: ICNet) -> None:
    with pytest.raises(DataError, match="a frame is 31x64"):
        TorchEngine(net, Normalize(), CLASSES).label_maps(frames(1, 31, 64))


def test_a_predictor_of_a_checkpoint_reads_frames_as_its_engine_does(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "a.ckpt", CLASSES)
    frame = frames(64, 96)
    label_map = Predictor.from_checkpoint(path)(frame.numpy())
    assert torch.equal(torch.from_numpy(label_map), load_engine(path).label_maps(frame[None])[0])
