"""From an evaluation to its queue, and from answers to mended labels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from tests.chromium import PROGRAM, open_page
from tests.conftest import compose_run, run_plain
from tests.data.formats import trees

from icnet.cli import run_task
from icnet.config import check_config
from icnet.data.answers import checksum, name_frame, read_answers
from icnet.data.formats.coco import Coco
from icnet.data.formats.runs import decode_runs
from icnet.data.images import read_image, read_label, write_image
from icnet.data.labels import ClassTable
from icnet.data.layouts import CityscapesLayout, FolderLayout, ListLayout
from icnet.data.samples import Layout, Sample
from icnet.errors import ConfigError, DataError
from icnet.predict import Predictor
from icnet.tasks.evaluate.queue import open_queue
from icnet.tasks.prepare import propose
from icnet.tasks.prepare.apply import apply_answers

NAMES = ["background", "road", "car"]
CLASSES = (f"data.classes.names=[{','.join(NAMES)}]", "data.classes.colors=[[0,0,0],[255,0,0],[0,255,0]]")
TABLE = ClassTable(NAMES, [(0, 0, 0), (255, 0, 0), (0, 255, 0)])
CAR = (slice(16, 48), slice(24, 56))

Prepare = Callable[..., Path]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, streets: Path, checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("queue") / "run"
    run_plain(
        folder,
        streets,
        "task=evaluate",
        f"ckpt={checkpoint}",
        "task.exits=false",
        "task.queue=7",
        "task.queue_pixels=9",
    )
    return folder


def test_each_region_of_the_queue_is_where_label_and_network_say_what_it_names(
    run: Path, streets: Path, checkpoint: Path, street_classes: ClassTable
) -> None:
    queue = json.loads((run / "queue.json").read_text())
    assert (queue["data"], queue["split"], queue["frames"], len(queue["regions"])) == ("streets", "val", 3, 7)
    accuracy = json.loads((run / "results.json").read_text())["metrics"]["pixel_accuracy"]
    doubts = [region["confidence"] for region in queue["regions"]]
    assert doubts == sorted(doubts, reverse=True)
    predictor = Predictor.from_checkpoint(checkpoint)
    frames = {name_frame(s.image, streets): s for s in CityscapesLayout(streets).samples("val")}
    for region in queue["regions"]:
        sample = frames[region["frame"]]
        label = read_label(sample.label, street_classes)
        top, left, height, width = region["box"]
        mask = decode_runs(region["runs"], height, width)
        box = slice(top, top + height), slice(left, left + width)
        assert mask.sum() == region["pixels"] >= 9
        assert set(label[box][mask]) == {street_classes.names.index(region["label"])}
        assert set(predictor(read_image(sample.image))[box][mask]) == {street_classes.names.index(region["prediction"])}
        assert (region["size"], region["checksum"]) == ([64, 128], checksum(label))
    pairs = [(predictor(read_image(image)), read_label(label, street_classes)) for image, label in frames.values()]
    hits = sum(int((prediction == label).sum()) for prediction, label in pairs)
    assert accuracy == pytest.approx(hits / sum((label != 255).sum() for _, label in pairs), abs=1e-3)  # but for ties


def test_the_page_holds_all_it_shows_and_may_load_nothing(run: Path) -> None:
    page, queue = (run / "queue.html").read_text(), json.loads((run / "queue.json").read_text())
    (held,) = re.findall(r'<script type="application/json" id="queue">(.*?)</script>', page, re.S)
    assert json.loads(held) == queue
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\"" in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"queue": 0}, "task.queue is 0: give a whole number of at least 1"),
        ({"queue": 5, "queue_pixels": -1}, "task.queue_pixels is -1"),
        ({"queue": "many"}, "task.queue is 'many'"),
        ({"queue": None, "queue_pixels": 9}, "task.queue_pixels is of a queue: add task.queue=50"),
    ],
)
def test_a_queue_that_cannot_be_is_one_line(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        open_queue(OmegaConf.create({"queue_pixels": None} | settings), TABLE)


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Run the task in this process, with tmp_path/conf for proposals."""
    monkeypatch.setattr(propose, "_own_folder", lambda: tmp_path / "conf")

    def run(root: Path, *overrides: str) -> Path:
        given = ["task=prepare", f"data.root='{root}'", f"task.apply='{tmp_path}/answers.json'", *overrides]
        config = compose_run([*given, *CLASSES], tmp_path / "run")
        check_config(config)
        run_task(config)
        return tmp_path / "run"

    return run


def write_folder(root: Path) -> Layout:
    """Frames with label maps of RGB colours, in which black is a class."""
    for split, names in (("train", trees.TRAIN), ("val", trees.VAL)):
        for name in names:
            trees.photo(root / f"images/{split}/{name}.png")
            (root / f"labels/{split}").mkdir(parents=True, exist_ok=True)
            write_image(root / f"labels/{split}/{name}.png", TABLE.palette[trees.expected()])
    return FolderLayout(root)


def write_coco(root: Path) -> Layout:
    trees.coco(root)
    return Coco(root)


def answer(layout: Layout, place: int, verdict: str, split: str = "train", **changes: Any) -> dict[str, Any]:
    """What queue.html saves of the car in a frame, which the network sees as background."""
    sample = layout.samples(split)[place]
    return {
        "frame": name_frame(sample.image, layout.root),
        "size": [trees.HEIGHT, trees.WIDTH],
        "checksum": checksum(trees.expected()),
        "label": "car",
        "prediction": "background",
        "box": [16, 24, 32, 32],
        "runs": [0, 1024],
        "answer": verdict,
    } | changes


def save(path: Path, *answers: dict[str, Any]) -> None:
    path.write_text(json.dumps({"classes": NAMES, "answers": answers}))


def files_of(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def labels_of(samples: list[Sample]) -> list[np.ndarray[Any, Any]]:
    return [read_label(sample.label, TABLE) for sample in samples]


@pytest.mark.parametrize(
    ("data", "write", "ignore", "becomes"),
    [("folder", write_folder, "false", 0), ("coco", write_coco, "true", 255)],
)
def test_answers_become_label_maps_beside_the_originals_and_a_data_set_that_reads_them(
    data: str, write: Callable[[Path], Layout], ignore: str, becomes: int, prepare: Prepare, tmp_path: Path
) -> None:
    root = tmp_path / "my data"
    root.mkdir()
    layout = write(root)
    verdicts = ("label", "network", "unsure")
    save(
        tmp_path / "answers.json",
        *(answer(layout, place, verdict) for place, verdict in enumerate(verdicts)),
        answer(layout, 1, "label", split="val"),
    )
    before = files_of(root)
    prepare(root, f"data={data}", f"task.ignore={ignore}", "task.save_as=mended", "data.crop_size=[32,64]")
    assert files_of(root) == before

    written = yaml.safe_load((tmp_path / "conf/data/mended.yaml").read_text())
    assert written["layout"] == {"_target_": "icnet.data.layouts.ListLayout"}
    assert (written["root"], written["crop_size"]) == (f"{tmp_path}/my data_corrected", [32, 64])
    mended = ListLayout(Path(written["root"]))
    car = [255 if value == "unsure" else 2 if value == "network" else becomes for value in (*verdicts, "network")]
    for label, value in zip(labels_of(mended.samples("train")), car, strict=True):
        expected = trees.expected()
        expected[CAR] = value
        assert np.array_equal(label, expected)
    assert [label[CAR][0, 0] for label in labels_of(mended.samples("val"))] == [2, becomes]
    assert [s.image for s in mended.samples("train")] == [s.image for s in layout.samples("train")]


OTHER = {"frame": "images/train/other.png"}


@pytest.mark.parametrize(
    ("changes", "corrected", "error", "fault"),
    [
        (OTHER, None, DataError, "1 answers about frames that are not among the 6 of .*, first images/train/other.png"),
        ({"checksum": "00000000"}, None, DataError, r"a_000\.png is not the label that .* is about: it has changed"),
        ({"size": [65, 96]}, None, DataError, "is not the label"),
        ({"answer": "network"}, None, DataError, "says of no label that it is wrong"),
        ({}, "data", ConfigError, "data is not empty: choose another task.corrected"),
    ],
)
def test_answers_about_other_data_are_one_line_and_nothing_is_written(
    changes: dict[str, Any], corrected: str | None, error: type[Exception], fault: str, tmp_path: Path
) -> None:
    layout = write_folder(tmp_path / "data")
    save(tmp_path / "answers.json", answer(layout, 1, "network"), answer(layout, 0, "label", **changes))
    task = {
        "apply": str(tmp_path / "answers.json"),
        "ignore": False,
        "corrected": corrected and str(tmp_path / corrected),
    }
    config = OmegaConf.create({"task": task, "data": {"packed": None}})
    before = files_of(tmp_path)
    with pytest.raises(error, match=fault) as refused:
        list(apply_answers(config, layout, ["train", "val"], TABLE))
    assert "\n" not in str(refused.value)
    assert files_of(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.json", "data"]


def test_a_setting_of_apply_that_cannot_be_is_one_line(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"task\.ignore=true says how, but task\.apply is not given"):
        prepare(tmp_path, "data=folder", "task.apply=null", "task.ignore=true")


KEPT = """window.saved = []; URL.createObjectURL = (file) => { file.text().then((text) => saved.push(text)); return "#"; };
window.press = (...keys) => keys.forEach((key) => dispatchEvent(new KeyboardEvent("keydown", { key })));"""
LEFT = "document.getElementById('left').textContent"


@pytest.mark.slow
@pytest.mark.skipif(not Path(PROGRAM).is_file(), reason="needs Chromium")
def test_a_person_answers_with_keys_and_the_answers_stay_are_saved_and_come_back(
    run: Path, street_classes: ClassTable, tmp_path: Path
) -> None:
    page_of = (run / "queue.html").as_uri()
    with open_page(page_of, tmp_path / "profile", before=KEPT) as page:
        assert page.wait(LEFT) == "0 of 7 answered, 7 left"
        page.read("press('1', '2', '3', 'ArrowLeft', '1', 'u', 'ArrowRight', '1', 'u', 's')")
        assert page.read(LEFT) == "3 of 7 answered, 4 left"
        assert page.read("[...document.images].every((image) => image.naturalWidth > 0)")
        assert len(page.read("document.querySelector('path').getAttribute('d')")) > 9
        saved = tmp_path / "answers.json"
        saved.write_text(page.wait("saved[0]"))
        page.send("Page.navigate", url=page_of)
        assert page.wait(f"{LEFT} !== '0 of 7 answered, 7 left' && {LEFT}") == "3 of 7 answered, 4 left"
        assert page.errors == []
    answers = read_answers(saved, street_classes)
    assert [answer.verdict for answer in answers] == ["label", "network", "unsure"]
    queued = json.loads((run / "queue.json").read_text())["regions"]
    assert [int(answer.mask.sum()) for answer in answers] == [region["pixels"] for region in queued[:3]]

    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(saved.read_text()) | {"queue": "another"}))
    with open_page(page_of, tmp_path / "fresh", before=KEPT) as page:
        assert page.wait(LEFT) == "0 of 7 answered, 7 left"
        page.open_file(other)
        page.wait("document.body.innerText.includes('other.json is not loaded: it belongs to another queue')")
        page.open_file(saved)
        assert page.wait(f"{LEFT} !== '0 of 7 answered, 7 left' && {LEFT}") == "3 of 7 answered, 4 left"
