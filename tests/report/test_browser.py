"""The page of a real evaluation in headless Chromium: at the width of a telephone and of a desk, light and dark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import TINY, compose_run

from icnet.cli import run_task
from icnet.data.images import read_image
from icnet.streets.write import write_streets

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, DESK, TALL = 390, 1280, 1600
# What a page tells about itself: its width, what it asked for, which words are cut off
PROBE = """<script>addEventListener("load", () => {
  const root = document.documentElement;
  const words = [...document.querySelectorAll("h1,h2,h3,h4,p,li,th,td,dt,dd,figcaption,a")];
  const cut = words.filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && e.offsetParent);
  parent.postMessage({
    needed: root.scrollWidth, given: root.clientWidth,
    asked: performance.getEntriesByType("resource").map((e) => e.name),
    cut: cut.map((e) => e.outerHTML.slice(0, 80)),
    pictures: [...document.images].filter((e) => !e.naturalWidth).length,
  }, "*");
})</script>"""
LISTENER = '<pre></pre><script>onmessage = (e) => document.querySelector("pre").append(JSON.stringify(e.data))</script>'

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of an evaluation, with a comparison; of a network that was trained for two steps."""

    home = tmp_path_factory.mktemp("browser")
    root = write_streets(home / "streets", train=2, val=4, size=(64, 128), seed=0)
    given = ["data.prepare=null", f"data.root={root}"]
    run_task(compose_run([*given, *TINY], home / "train"))
    best = home / "train" / "checkpoints" / "best.ckpt"
    asked = ["task=evaluate", f"ckpt={best}", f"task.compare={best}", "trainer.accelerator=cpu", "data.num_workers=0"]
    run_task(compose_run([*given, *asked], home / "evaluate"))
    return home / "evaluate" / "report.html"


def browse(wrapper: Path, page: Path, width: int, *options: str, dark: bool = False, head: str = "") -> str:
    """Open `page` in a frame of `width`, since windows have a least width."""
    wrapper.write_text(
        f'<body style="margin:0">{head}<iframe src="{page}" style="border:0;width:{width}px;height:{TALL}px">'
    )
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=5000",
    ]
    command += [f"--window-size={max(width, 500)},{TALL}", f"--user-data-dir={wrapper.parent / 'profile'}", *options]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    return subprocess.run([*command, wrapper.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_fits_its_width_asks_for_nothing_and_cuts_no_word_off(page: Path, tmp_path: Path, width: int) -> None:
    probed = tmp_path / "probed.html"
    open_to_scripts = re.sub(r"<meta http-equiv=.*?>", "", page.read_text(encoding="utf-8"))
    probed.write_text(open_to_scripts.replace("</head>", f"{PROBE}</head>"), encoding="utf-8")
    told = re.search(r"<pre>(.*)</pre>", browse(tmp_path / "wrapper.html", probed, width, "--dump-dom", head=LISTENER))
    assert told is not None
    found = json.loads(told.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert found["given"] == width
    assert found["needed"] <= width
    assert found["cut"] == []
    assert found["pictures"] == 0  # broken ones
    assert [name for name in found["asked"] if not name.startswith("data:")] == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_is_drawn_light_and_dark(page: Path, tmp_path: Path, width: int) -> None:
    brightness = []
    for dark in (False, True):
        shot = tmp_path / f"{dark}.png"
        browse(tmp_path / "wrapper.html", page, width, f"--screenshot={shot}", dark=dark)
        pixels = read_image(shot)[:, :width]
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200  # words, bars and the colours of the classes
        brightness.append(np.median(pixels))
    assert brightness[0] > 200
    assert brightness[1] < 60
