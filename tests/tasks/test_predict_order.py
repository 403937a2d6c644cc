"""Which frames to label next, from a composed configuration to the list and the page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Run

from icnet.data.images import read_image
from icnet.engines.load import load_engine
from icnet.errors import ConfigError, DataError, Interrupted
from icnet.predict import Predictor
from icnet.report.order import Ordered, say_reason
from icnet.report.pictures import Picture
from icnet.tasks.predict.order import Looker
from icnet.tasks.predict.workload import Outcome


@pytest.fixture
def order(run_icnet: Run, checkpoint: Path) -> Run:
    """order(source, override, ...) -> folder of the run."""

    def run(source: object, *overrides: str, folder: str = "run") -> Path:
        settings = ("trainer.accelerator=cpu", "trainer.precision=32-true", f"ckpt={checkpoint}", "task.order=true")
        return run_icnet("task=predict", *settings, f"source='{source}'", *overrides, tiny=False, folder=folder)

    return run


@pytest.fixture
def frames(tmp_path: Path, streets: Path) -> Path:
    """Three street scenes in folders of their cities, and a copy of each."""
    place = Path(shutil.copytree(streets / "leftImg8bit" / "val", tmp_path / "frames"))
    for image in sorted(place.rglob("*.png")):
        shutil.copyfile(image, image.with_name(f"a_copy_of_{image.name}"))
    return place


def lines(folder: Path) -> list[str]:
    return (folder / "order.list").read_text().splitlines()


def written(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text())["protocol"]["written"]


def test_list_and_page_have_each_frame_by_its_path_and_the_copies_come_last(order: Run, frames: Path) -> None:
    folder = order(frames)
    listed = lines(folder)
    assert sorted(listed) == sorted(p.relative_to(frames).as_posix() for p in frames.rglob("*.png"))
    shown = [line.rpartition("/")[2].removeprefix("a_copy_of_") for line in listed]
    assert len({*shown[:3]}) == 3
    assert {*shown[3:]} == {*shown[:3]}
    assert not (folder / "predictions").exists()
    assert written(folder) == ["order.list"]

    page = (folder / "order.html").read_text()
    assert re.findall(r"<strong>(\d)\. ([^<]*)</strong>", page) == [(str(n), p) for n, p in enumerate(listed, 1)]
    assert page.count("data:image/webp;base64,") == 6
    assert "The network is less sure of no other." in page
    assert f"It resembles number 1, {listed[0]}." in page  # its copy
    assert "distance 0.00" in page


def test_label_maps_are_written_where_they_are_asked_for_and_change_no_order(
    order: Run, frames: Path, checkpoint: Path
) -> None:
    folder, without = order(frames, "task.outputs=[labels]", folder="a"), order(frames, folder="b")
    for name in ("order.list", "order.html"):
        assert (folder / name).read_bytes() == (without / name).read_bytes()
    predictor = Predictor.from_checkpoint(checkpoint)
    found = sorted((folder / "predictions").rglob("*"))
    assert [path.suffix for path in found if path.is_file()] == [".png"] * 6
    for image in frames.rglob("*.png"):
        label = folder / "predictions" / image.relative_to(frames).with_name(f"{image.stem}_labels.png")
        assert (read_image(label)[..., 0] == predictor(read_image(image))).all()
    assert written(folder) == ["labels", "order.list"]


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_ordered(order: Run, frames: Path) -> None:
    next(frames.rglob("a_copy_of_*")).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1 of 6 images failed.*order\.html"):
        order(frames)
    assert len(lines(frames.parent / "run")) == 5


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("task.flip=true", "leave task.size, scales, flip and window out"),
        ("source=drive.mp4", "task.order=true takes images, and source=drive.mp4 is a video"),
    ],
)
def test_what_cannot_be_ordered_is_said_before_anything_is_written(
    order: Run, frames: Path, override: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        order(frames, override)
    assert [*(frames.parent / "run").iterdir()] == []


def test_a_stop_says_how_far_it_came_and_of_no_folder_that_is_not_there(
    order: Run, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Interrupted("stopped by Ctrl-C", 130)

    monkeypatch.setattr(Outcome, "label", stop)
    with pytest.raises(Interrupted, match=r"after 0 of 6 images$"):
        order(frames)


def test_a_frame_costs_as_many_numbers_as_the_trunk_has_channels(checkpoint: Path, streets: Path) -> None:
    looker = Looker(load_engine(checkpoint))
    for image in sorted(streets.rglob("*leftImg8bit.png"))[:2]:
        looker(read_image(image))
    assert [part.shape for part in looker.features] == [(16,)] * 2  # a quarter of conv5's 64
    assert len(looker.doubts) == 2


def test_the_reasons_in_words() -> None:
    def frame(differing: float, pair: tuple[str, str] | None, distance: float | None, nearest: Any) -> Ordered:
        return Ordered(Picture("a.png", 1, 1, ""), 0.4, differing, pair, distance, nearest)

    assert say_reason(frame(0.314, ("car", "road"), None, None)) == (
        "The exits differ on 31.4 % of it, mostly car or road. The network is less sure of no other."
    )
    assert say_reason(frame(0.0, None, 1.2, (1, "a.png"))) == "It is unlike all before it."
    assert say_reason(frame(0.0, None, 0.8, (2, "b.png"))) == "It somewhat resembles number 2, b.png."
    assert say_reason(frame(0.0, None, 0.2, (3, "c.png"))) == "It resembles number 3, c.png."
