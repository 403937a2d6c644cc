"""task.format=web: a folder that any server offers, whose page gives the label maps that Python gives."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.chromium import PROGRAM, Page, open_page
from tests.conftest import compose_run, write_checkpoint

from icnet.cli import run_task
from icnet.data.labels import ClassTable
from icnet.deploy import web
from icnet.deploy.export import Order
from icnet.errors import ConfigError
from icnet.predict import Predictor
from icnet.streets.scene import draw_street

CLASSES = ClassTable(["road", "car", "tree", "sky"], [[128, 64, 128], [0, 0, 142], [107, 142, 35], [70, 130, 180]])
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
TEXT = "document.getElementById('{}').textContent".format


def export(folder: Path, *overrides: str) -> Path:
    """A tiny network as a page, with three generated frames of 64x128."""
    folder.mkdir()
    checkpoint = write_checkpoint(folder / "best.ckpt", CLASSES)
    wanted = ("task=export", f"ckpt={checkpoint}", "task.format=web", "task.certify=false", *overrides)
    run_task(compose_run(list(wanted), folder / "run"))
    return folder / "run"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a runtime of two empty files."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "dist").mkdir()
    for name in FILES:
        (folder / "dist" / name).write_text(f"// {name}")
    return export(folder / "export", "task.size=[64,128]", f"task.runtime={folder / 'dist'}")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, beside a PATH on which there is nothing."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "torch" / "hub" / "onnxruntime-web-1.30.0"


def write_npm(folder: Path, body: str) -> None:
    """A program in its place, which notes each call."""
    script = folder / "bin" / "npm"
    script.write_text(f"#!{sys.executable}\nimport sys\nopen({str(folder / 'calls')!r}, 'a').write('*')\n{body}\n")
    script.chmod(0o755)


@pytest.fixture
def tarball(tmp_path: Path, cache: Path) -> Path:
    """What a program in npm's place brings."""
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in (*FILES, "ort.webgpu.mjs"):
            (tmp_path / name).write_text(f"text of {name}")
            archive.add(tmp_path / name, f"package/dist/{name}")
    write_npm(tmp_path, f"import shutil; shutil.copy({str(path)!r}, 'onnxruntime-web-1.30.0.tgz')")
    return path


def test_all_that_the_page_asks_for_lies_beside_it(page: Path) -> None:
    asked = re.findall(r'(?:src|href)="([^"#:]+)"', (page / "index.html").read_text())
    for script in page.glob("*.js"):
        asked += re.findall(r'(?:from |load\(|URL\()"(?:\./)?([^"]+)"', script.read_text())
    assert {"app.js", "style.css", "model.onnx", "model.json", "golden.npz", FILES[1], "ort.wasm.bundle.min.js"} <= set(
        asked
    )
    assert [name for name in asked if not (page / name).is_file()] == []
    assert (page / "ort.wasm.bundle.min.js").read_text() == "// ort.wasm.bundle.min.mjs"


def test_the_page_may_load_from_its_own_folder_alone(page: Path) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', (page / "index.html").read_text())
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert {word for rule in rules.values() for word in rule.split()} <= {
        "'none'",
        "'self'",
        "'wasm-unsafe-eval'",
        "data:",
        "blob:",
    }


def test_the_kit_beside_the_page_verifies_the_same_file(page: Path) -> None:
    done = subprocess.run([sys.executable, page / "verify.py"], capture_output=True, text=True)
    assert json.loads(done.stdout)["agreement"] == 1
    assert "http.server" in (page / "README.md").read_text()
    assert json.loads((page / "model.json").read_text())["format"] == "web"


def test_scores_which_the_page_cannot_show_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the page of task\.format=web shows labels"):
        Order("web", "fp32", "sub124", "logits", None)


def test_without_npm_one_line_says_what_to_do(cache: Path) -> None:
    with pytest.raises(ConfigError, match=r"no npm to fetch it: install Node\.js, or give task.runtime=DIR"):
        web.find_runtime(None)


def test_npm_that_fails_says_why(cache: Path, tmp_path: Path) -> None:
    fault = (
        "npm error code E1\\nnpm error network getaddrinfo failed\\nnpm error A complete log of this run is in: x\\n"
    )
    write_npm(tmp_path, f"sys.stderr.write({fault!r}.replace('\\\\n', chr(10))); sys.exit(1)")
    with pytest.raises(ConfigError, match=r"npm cannot fetch onnxruntime-web@1.30.0 \(network getaddrinfo failed\)"):
        web.find_runtime(None)


def test_a_package_of_another_checksum_is_thrown_away(cache: Path, tarball: Path) -> None:
    with pytest.raises(ConfigError, match=r"came with the SHA-512 .* in place of q0y\+JrrtukXS"):
        web.find_runtime(None)
    assert not cache.exists()


def test_npm_is_asked_once_and_what_the_page_needs_is_kept(
    cache: Path, tarball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SHA512", base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode())
    assert web.find_runtime(None) == web.find_runtime(None) == cache
    assert {file.name: file.read_text() for file in cache.iterdir()} == {name: f"text of {name}" for name in FILES}
    assert (tmp_path / "calls").read_text() == "*"


def test_a_runtime_folder_without_its_files_is_named(tmp_path: Path) -> None:
    (tmp_path / FILES[0]).touch()
    with pytest.raises(ConfigError, match=f"task.runtime={tmp_path} has no ort-wasm-simd-threaded.wasm: give"):
        web.find_runtime(str(tmp_path))


# In a browser


class Handler(http.server.SimpleHTTPRequestHandler):
    """isolated: by the two headers that allow threads. Notes each answer."""

    isolated = False
    answers: list[str]

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        self.answers.append(" ".join(map(str, args)))


@contextmanager
def serve(folder: Path, isolated: bool = False) -> Iterator[tuple[str, list[str]]]:
    """The address of a folder, and the answers that were given."""
    answers: list[str] = []
    kind = type("Noting", (Handler,), {"isolated": isolated, "answers": answers})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", answers
        server.shutdown()


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """A slow test, where there are a browser and what fetches the runtime."""
    for program in ("chromium", "npm"):
        there = shutil.which(PROGRAM if program == "chromium" else program)
        test = pytest.mark.skipif(there is None, reason=f"there is no {program}")(test)
    return pytest.mark.slow(test)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with its true runtime, for frames of any size."""
    folder = export(tmp_path_factory.mktemp("live") / "export", "task.size=dynamic")
    cv2.imwrite(str(folder / "street.png"), draw_street(3, 0, (77, 131)).image[..., ::-1])
    return folder


DROP = """fetch("street.png").then(answer => answer.blob()).then(picture => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([picture], "dropped.png", {type: picture.type}));
  document.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
})"""


def read_saved(page: Page) -> np.ndarray:
    """The label map that the page offers for saving."""
    address = page.read("document.getElementById('save').href")
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def share(text: str) -> float:
    return float(text.removeprefix("same as Python: ").removesuffix(" %"))


@in_browser
@pytest.mark.parametrize("isolated", [False, True], ids=["one thread", "threads"])
def test_a_browser_gives_the_label_maps_of_python_and_asks_no_other_server(
    live: Path, tmp_path: Path, isolated: bool
) -> None:
    with serve(live, isolated) as (address, answers), open_page(address, tmp_path) as page:
        page.wait("document.getElementById('agreement').className")
        assert share(page.read(TEXT("agreement"))) >= 99.99
        assert ("one thread" in page.read(TEXT("engine"))) is not isolated
        page.wait(f"{TEXT('state')} === ''")
        page.open_file(live / "street.png")
        page.wait("document.getElementById('save').download === 'street_labels.png'")
        truth = Predictor.from_checkpoint(live.parent / "best.ckpt")(draw_street(3, 0, (77, 131)).image)
        saved = read_saved(page)
        assert len(np.unique(truth)) > 1
        assert saved.shape == truth.shape
        assert (saved == truth).mean() >= 0.9999
        asked = page.read("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert all(name.startswith((address, "data:")) for name in asked)
        assert page.errors == []
    assert len(answers) > 10
    assert [answer for answer in answers if not re.search(" (200|304) ", answer)] == []


@in_browser
def test_a_clock_that_stands_still_breaks_nothing(live: Path, tmp_path: Path) -> None:
    """As under Chromium's --virtual-time-budget; here the clock alone is stopped, not the time to compile."""
    still = "performance.now = Date.now = () => 1000"
    with serve(live) as (address, _), open_page(f"{address}?picture=street.png", tmp_path, before=still) as page:
        page.wait("document.getElementById('agreement').className")
        assert share(page.read(TEXT("agreement"))) >= 99.99
        page.wait("document.getElementById('save').download === 'street_labels.png'")
        assert page.read("performance.now()") == 1000
        assert page.read(TEXT("ms")) == "\N{EN DASH}"
        assert page.errors == []


@in_browser
def test_cameras_videos_and_dropped_pictures_are_shown_and_size_classes_and_opacity_chosen(
    live: Path, tmp_path: Path
) -> None:
    video = tmp_path / "street.webm"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"VP80"), 10, (128, 64))
    for i in range(20):
        writer.write(np.ascontiguousarray(draw_street(3, i, (64, 128)).image[..., ::-1]))
    writer.release()
    with serve(live) as (address, _), open_page(address, tmp_path / "profile") as page:
        page.wait("document.getElementById('agreement').className")
        page.read("document.getElementById('camera').click()")
        page.wait(f"!document.getElementById('size').value.includes('[64,128]') && parseFloat({TEXT('fps')}) > 0")
        page.open_file(video)
        page.wait("document.getElementById('picture').width === 128 && document.getElementById('save').hidden")
        page.open_file(live / "street.png")
        page.wait("document.getElementById('labels').width === 131")
        assert page.read("document.getElementById('size').value") == "[77,131]"
        page.read(DROP)
        page.wait("document.getElementById('save').download === 'dropped_labels.png'")
        page.read("const o = document.getElementById('opacity'); o.value = 30; o.dispatchEvent(new Event('input'))")
        assert page.read("getComputedStyle(document.getElementById('labels')).opacity") == "0.3"
        page.open_file(live / "model.json")
        page.wait(f"{TEXT('state')} === 'model.json is no picture or video that this browser reads'")
        painted = (
            "[...document.getElementById('labels').getContext('2d').getImageData(0, 0, 131, 77).data].some(x => x)"
        )
        assert page.read(painted)
        page.read("document.querySelectorAll('#legend button').forEach(button => button.click())")
        assert not page.read(painted)
