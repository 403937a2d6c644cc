"""The C++ program: the label maps that Python gives, from a folder of any PNG and JPEG."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.conftest import compose_run, write_checkpoint

from icnet.cli import run_task
from icnet.data.images import read_image, read_raw_label, write_image
from icnet.deploy.export import Order, write_file
from icnet.engines.facts import KEY
from icnet.predict import Predictor
from icnet.tasks.setup.build import build
from icnet.weights.checkpoint import read_source

RUNTIME = Path(__file__).parents[2] / "src" / "runtime"
SIZE = (64, 128)  # of the streets
SMALL = {"version": 1, "icnet": "0", "output": "labels", "size": None, "smallest": 2}
CLASSES = {"names": ["road", 'Straße "A"\U0001f697'], "colors": [[128, 64, 128], [0, 0, 142]]}
MINE = """
#include <cstdio>
#include "icnet.hpp"
int main(int, char** words) {
  icnet::Network network(words[1]);
  for (const auto& c : network.classes()) std::printf("%s %d %d %d\\n", c.name.c_str(), c.color[0], c.color[1], c.color[2]);
  const auto label_map = network({2, 3, std::vector<std::uint8_t>(18, 7)});
  std::printf("%zu %zu %d\\n", label_map.height, label_map.width, label_map.pixels[5]);
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(mine CXX)
add_subdirectory({runtime} runtime)
add_executable(mine mine.cpp)
target_link_libraries(mine icnet::icnet)
"""


def find_lack() -> str | None:
    """What is not here of all that the program is built with."""
    tools = [tool for tool in ("cmake", "c++") if shutil.which(tool) is None]
    headers = [name for name in ("png.h", "jpeglib.h") if not any(Path("/usr").glob(f"*/{name}"))]
    packages = [name for name in ("openvino", "onnxscript") if importlib.util.find_spec(name) is None]
    return ", ".join(tools + headers + packages)


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(find_lack()), reason=f"building src/runtime needs {find_lack()}"),
]


def build_with_cmake(source: Path, target: Path, *options: str) -> Path:
    import openvino

    config = Path(openvino.__file__).with_name("cmake")
    run("cmake", "-S", source, "-B", target, f"-DOpenVINO_DIR={config}", *options)
    run("cmake", "--build", target, "--parallel", "2")
    return target


def run(*command: object, status: int = 0, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(env or {})}
    )
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody else's that uses the library, and icnet_run within."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.cpp").write_text(MINE)
    (folder / "CMakeLists.txt").write_text(PROJECT.format(runtime=RUNTIME))
    return build_with_cmake(folder, folder / "build")


@pytest.fixture(scope="module")
def program(built: Path) -> Path:
    return built / "runtime" / "icnet_run"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    return write_checkpoint(folder / "best.ckpt", build(compose_run([], folder / "none").data.classes))


def export(checkpoint: Path, folder: Path, size: tuple[int, int] | None, format: str = "openvino") -> Path:
    folder.mkdir(exist_ok=True)
    return write_file(read_source(checkpoint), Order(format, "fp32", "sub124", "labels", size), folder)


def write_echo(path: Path, channel: int = 0, **facts: Any) -> Path:
    """A file whose label map is a channel of the frame, which shows what was decoded."""
    import openvino
    from openvino import opset13

    frames = opset13.parameter([-1, -1, -1, 3], np.uint8, name="frames")
    model = openvino.Model([opset13.gather(frames, np.int64(channel), np.int64(3))], [frames])
    model.set_rt_info(json.dumps({**SMALL, "classes": CLASSES, **facts}), [KEY])
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def write_kinds(folder: Path) -> None:
    """Images of each kind that PNG and JPEG know, in folders."""
    pixels = np.random.default_rng(0).integers(0, 256, (41, 30, 3), np.uint8)
    smooth = Image.fromarray(pixels).resize((90, 61), Image.Resampling.BICUBIC)
    (folder / "png").mkdir(parents=True)
    (folder / "jpeg" / "turned").mkdir(parents=True)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        smooth.convert(mode).save(folder / "png" / f"{mode}.png")
    write_image(folder / "png" / "grey16.png", pixels[:, :, 0].astype(np.uint16) * 251)
    write_image(folder / "png" / "colour16.png", pixels.astype(np.uint16) * 249 + 130)
    smooth.convert("P").save(folder / "png" / "clear.png", transparency=3)
    for quality, subsampling in ((30, 2), (75, 1), (95, 0)):
        smooth.save(folder / "jpeg" / f"q{quality}.jpg", quality=quality, subsampling=subsampling)
    smooth.save(folder / "jpeg" / "progressive.JPEG", progressive=True)
    smooth.convert("L").save(folder / "jpeg" / "L.jpg")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        smooth.save(folder / "jpeg" / "turned" / f"{orientation}.jpg", exif=exif)
        smooth.save(folder / "png" / f"turned_{orientation}.png", exif=exif)


def labels_of(frame: Path, source: Path, out: Path) -> Any:
    name = frame.relative_to(source).with_suffix("")
    return read_raw_label(out / name.with_name(f"{name.name}_labels.png"))


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_frames_of_every_kind_are_decoded_as_in_python(tmp_path: Path, program: Path, channel: int) -> None:
    write_kinds(tmp_path / "in")
    done = run(program, write_echo(tmp_path / "echo.xml", channel), tmp_path / "in", tmp_path / "out")
    frames = [path for path in (tmp_path / "in").rglob("*") if path.is_file()]
    assert json.loads(done.stdout)["frames"] == len(frames) == 30
    for frame in frames:
        assert np.array_equal(labels_of(frame, tmp_path / "in", tmp_path / "out"), read_image(frame)[:, :, channel])


def test_of_16_bits_those_are_taken_that_the_file_names(tmp_path: Path, program: Path) -> None:
    """5000 is more than 12 bits hold: white."""
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 4096, (41, 30, 3)).astype(np.uint16)
    pixels[0, 0] = 5000
    write_image(tmp_path / "in/colour.png", pixels)
    write_image(tmp_path / "in/grey.png", pixels[:, :, 0])
    model = write_echo(tmp_path / "echo.xml", normalisation={"mean": [0.5, 0.5, 0.5], "bit_depth": 12})
    run(program, model, tmp_path / "in", tmp_path / "out")
    for frame in (tmp_path / "in").iterdir():
        expected = read_image(frame, 12)[:, :, 0]
        assert np.array_equal(labels_of(frame, tmp_path / "in", tmp_path / "out"), expected)
    assert expected[0, 0] == 255


@pytest.mark.parametrize("size", [SIZE, None, (48, 91), (80, 160)])
def test_its_label_maps_are_those_of_python_to_the_last_pixel(
    tmp_path: Path, streets: Path, program: Path, checkpoint: Path, size: tuple[int, int] | None
) -> None:
    model, source = export(checkpoint, tmp_path / "file", size), streets / "leftImg8bit"
    done = run(program, model, source, tmp_path / "out", "--threads", 1)
    predictor, frames = Predictor.from_checkpoint(model), sorted(source.rglob("*.png"))
    assert len(frames) == 9
    seen = set()
    for frame in frames:
        label_map = predictor(read_image(frame))
        assert np.array_equal(labels_of(frame, source, tmp_path / "out"), label_map)
        seen |= set(label_map.ravel().tolist())
    assert len(seen) > 3
    said = json.loads(done.stdout)
    assert (said["frames"], said["failed"]) == (9, 0)
    assert 0 < said["median_ms"] <= said["p95_ms"]
    assert said["fps"] > 0


def test_an_onnx_file_gives_what_it_gives_in_python(
    tmp_path: Path, streets: Path, program: Path, checkpoint: Path
) -> None:
    pytest.importorskip("onnxruntime")
    model, source = export(checkpoint, tmp_path / "file", SIZE, "onnx"), streets / "leftImg8bit" / "val"
    run(program, model, source, tmp_path / "out")
    predictor = Predictor.from_checkpoint(model)
    same = [(labels_of(f, source, tmp_path / "out") == predictor(read_image(f))).mean() for f in source.rglob("*.png")]
    assert len(same) == 3
    assert min(same) > 0.999  # two engines: ties


def test_its_label_maps_score_as_the_file_does_to_the_last_digit(
    tmp_path: Path, streets: Path, program: Path, checkpoint: Path
) -> None:
    model = export(checkpoint, tmp_path / "file", SIZE)
    run(program, model, streets / "leftImg8bit" / "val", tmp_path / "out")
    found = []
    for folder, judged in (("file", f"ckpt={model}"), ("maps", f"task.predictions={tmp_path / 'out'}")):
        given = ("task=evaluate", "data.prepare=null", "data.num_workers=0", f"data.root={streets}")
        machine = ("trainer.accelerator=cpu", "trainer.precision=32-true")
        run_task(compose_run([*given, *machine, judged], tmp_path / folder))
        found.append(json.loads((tmp_path / folder / "results.json").read_text())["metrics"])
    for key in ("miou", "pixel_accuracy", "iou", "category_miou", "boundary"):
        assert found[0][key] == found[1][key]


def test_a_broken_frame_is_named_and_the_others_are_labelled(tmp_path: Path, program: Path) -> None:
    write_kinds(tmp_path / "in")
    for name in ("png/RGB.png", "jpeg/q75.jpg"):
        path = tmp_path / "in" / name
        path.write_bytes(path.read_bytes()[:-9])
    (tmp_path / "in" / "empty.png").touch()
    write_image(tmp_path / "in" / "flat.png", np.zeros((1, 9, 3), np.uint8))
    done = run(program, write_echo(tmp_path / "echo.xml"), tmp_path / "in", tmp_path / "out", status=1)
    assert json.loads(done.stdout)["frames"] == 28
    lines = done.stderr.splitlines()
    assert len(lines) == json.loads(done.stdout)["failed"] == 4
    assert [line.partition(f"{tmp_path}/in/")[2].partition(":")[0] for line in lines] == [
        "empty.png", "flat.png", "jpeg/q75.jpg", "png/RGB.png",
    ]  # fmt: skip
    assert "it is 1x9, and" in lines[1]
    assert len(list((tmp_path / "out").rglob("*.png"))) == 28
    assert not list((tmp_path / "out").rglob("*.part"))


def test_results_have_names_of_their_own_and_what_is_hidden_is_left_out(tmp_path: Path, program: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png", ".c.png", ".d/e.png", "run/.hydra/x.png", "run/y.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "in" / name, np.zeros((4, 5, 3), np.uint8))
    run(program, write_echo(tmp_path / "echo.xml"), tmp_path / "in", tmp_path / "out")
    written = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert written == ["a.jpg_labels.png", "a.png_labels.png", "b_labels.png"]


@pytest.mark.parametrize(
    ("command", "status", "fault"),
    [
        ("{xml} {images}", 2, "usage: icnet_run MODEL"),
        ("{xml} {images} {out} --fast", 2, "usage: icnet_run MODEL"),
        ("{xml} {images} {out} --threads 2x", 1, "--threads is 2x: give a whole number"),
        ("{xml} {images} {out} --threads 0", 1, "--threads is 0: give a whole number"),
        ("{here}/no.xml {images} {out}", 1, "there is no file"),
        ("{here}/best.ckpt {images} {out}", 1, "best.ckpt is no exported file by its name"),
        ("{here}/torn.xml {images} {out}", 1, "torn.xml (or its .bin) is cut off"),
        ("{here}/torn.onnx {images} {out}", 1, "torn.onnx (or its .bin) is cut off"),
        ("{here}/newer.xml {images} {out}", 1, "newer.xml was exported by icnet 9.1 with facts of version 2"),
        ("{here}/scores.xml {images} {out}", 1, "scores.xml gives scores and no label maps"),
        ("{here}/poor.xml {images} {out}", 1, "poor.xml says too little of itself (no smallest)"),
        ("{xml} {here}/nowhere {out}", 1, "there is no folder"),
        ("{xml} {here}/none {out}", 1, "holds no PNG and no JPEG"),
        ("{xml} {images} {xml}", 1, "echo.xml cannot be written"),
        ("{xml} {images} {xml}/out", 1, "echo.xml/out cannot be written"),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path: Path, program: Path, command: str, status: int, fault: str) -> None:
    places = {"xml": write_echo(tmp_path / "echo.xml"), "images": tmp_path / "in", "out": tmp_path / "out"}
    write_image(tmp_path / "in.png", np.zeros((4, 4, 3), np.uint8))
    for folder in ("in", "none"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in.png").rename(tmp_path / "in" / "a.png")
    for name in ("torn.xml", "torn.onnx"):
        (tmp_path / name).write_bytes(b"<?xml version='1.0'?><net name=")
    write_echo(tmp_path / "newer.xml", version=2, icnet="9.1")
    write_echo(tmp_path / "scores.xml", output="logits")
    write_echo(tmp_path / "poor.xml", smallest=[])
    done = run(program, *command.format(here=tmp_path, **places).split(), status=status)
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == status  # the usage has two
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_another_program_links_the_library(tmp_path: Path, built: Path) -> None:
    done = run(built / "mine", write_echo(tmp_path / "echo.xml"))
    assert done.stdout.splitlines() == ["road 128 64 128", 'Straße "A"\U0001f697 0 0 142', "2 3 7"]


def test_memory_is_used_rightly_whatever_the_frames_are(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, checkpoint: Path
) -> None:
    program = build_with_cmake(RUNTIME, tmp_path_factory.mktemp("sanitized"), "-DICNET_SANITIZE=ON") / "icnet_run"
    write_kinds(tmp_path / "in")
    random, whole = np.random.default_rng(0), sorted((tmp_path / "in").rglob("*.*"))
    for i, path in enumerate(whole * 3):  # cut off anywhere, or with a wrong byte
        data = bytearray(path.read_bytes())
        place = int(random.integers(2, len(data)))
        data[place] ^= 0x55
        path.with_name(f"damaged_{i}{path.suffix}").write_bytes(data[:place] if i % 2 else data)
    model = export(checkpoint, tmp_path / "file", (48, 91))
    # An observer that OpenVINO ends while a thread of TBB is still leaving (3 of 120 runs); no other leak is let pass.
    (tmp_path / "theirs").write_text("leak:tbb::detail::r1::observe\n")
    sanitizers = {
        "TBB_ENABLE_SANITIZERS": "1",  # else OpenVINO's TBB opens a library in a way that they refuse
        "LSAN_OPTIONS": f"suppressions={tmp_path / 'theirs'}:print_suppressions=0",
    }
    done = run(program, model, tmp_path / "in", tmp_path / "out", status=1, env=sanitizers)
    assert done.stdout, done.stderr[-3000:]
    assert json.loads(done.stdout)["failed"] > len(whole)
    assert all(line.startswith("icnet_run: failed: ") for line in done.stderr.splitlines())
