"""Weights by URL, from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from icnet.errors import WeightsError
from icnet.weights.download import checksum_in, fetch, locate, place_of, sha256
from icnet.weights.start import read_weights


def saved(value: float) -> bytes:
    data = io.BytesIO()
    torch.save({"w": torch.full((2,), value)}, data)
    return data.getvalue()


class Files:
    """A server of files by their paths; counts what it is asked for.

    moved: paths that it sends elsewhere. torn: paths whose file breaks off half-way: "closed", after fewer bytes than were
    announced, or "chunked", within a piece.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.torn: dict[str, str] = {}
        self.asked: list[str] = []
        this = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                this.asked.append(self.path)
                self.close_connection = True
                if self.path in this.moved:
                    self.answer(302, b"moved", Location=this.moved[self.path])
                elif self.path not in this.files:
                    self.answer(404, b"")
                else:
                    self.send_file(this.files[self.path], this.torn.get(self.path))

            def send_file(self, content: bytes, torn: str | None) -> None:
                if torn is None:
                    self.answer(200, content)
                elif torn == "closed":
                    self.answer(200, content[: len(content) // 2], **{"Content-Length": str(len(content))})
                else:
                    piece = b"%x\r\n" % len(content) + content[: len(content) // 2]
                    self.answer(200, piece, **{"Transfer-Encoding": "chunked", "Content-Length": None})

            def answer(self, status: int, content: bytes, **headers: str | None) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    if value is not None:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    torch.hub.set_dir(str(tmp_path / "home" / "hub"))
    served = Files()
    yield served
    served.server.shutdown()
    served.server.server_close()
    torch.hub._hub_dir = None  # private: what set_dir sets (torch 2.13)


def test_two_urls_that_end_alike_are_two_files(served: Files) -> None:
    served.files |= {"/a/best.ckpt": saved(1.0), "/b/best.ckpt": saved(2.0)}
    first, second = (read_weights(served.url(f"/{place}/best.ckpt")) for place in "ab")
    assert (first.state["w"][0], second.state["w"][0]) == (1.0, 2.0)
    assert first.path.name == second.path.name == "best.ckpt"


def test_a_file_is_asked_for_once(served: Files) -> None:
    served.files["/a.pth"] = saved(1.0)
    for _ in range(2):
        read_weights(served.url("/a.pth"))
    assert served.asked == ["/a.pth"]


def test_a_file_that_holds_something_else_is_not_kept(served: Files) -> None:
    served.files["/a.pth"] = b"<html>please log in</html>"
    with pytest.raises(WeightsError, match="is no file of weights"):
        read_weights(served.url("/a.pth"))
    served.files["/a.pth"] = saved(3.0)
    assert read_weights(served.url("/a.pth")).state["w"][0] == 3.0


@pytest.mark.parametrize("kind", ["sha256", "sha1"])
def test_a_download_with_another_checksum_than_its_name_says_is_not_kept(served: Files, kind: str) -> None:
    content = saved(1.0)
    name = f"/resnet-{hashlib.new(kind, content).hexdigest()[:8]}.pth"
    served.files[name] = b"<html>please log in</html>"
    with pytest.raises(WeightsError, match=r"sent another or a torn file .*; 26 bytes\), which is thrown away"):
        fetch(served.url(name))
    assert not list(place_of(served.url(name)).parent.iterdir())
    served.files[name] = content
    assert fetch(served.url(name)).name == name[1:]


@pytest.mark.parametrize("how", ["closed", "chunked"])
@pytest.mark.parametrize("named", [True, False])
def test_a_download_that_breaks_off_is_thrown_away_and_the_next_one_is_whole(
    served: Files, how: str, named: bool
) -> None:
    content = saved(1.0)
    name = f"/resnet-{hashlib.sha256(content).hexdigest()[:8]}.pth" if named else "/best.pth"
    served.files[name], served.torn[name] = content, how
    with pytest.raises(WeightsError, match=re.escape(name)) as caught:
        read_weights(served.url(name))
    assert "\n" not in str(caught.value)
    assert not list(place_of(served.url(name)).parent.iterdir())
    del served.torn[name]
    assert read_weights(served.url(name)).state["w"][0] == 1.0


def test_a_redirect_is_followed_and_the_file_keeps_the_name_that_was_asked_for(served: Files) -> None:
    content = saved(1.0)
    name = f"resnet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    served.files["/storage/7f3a"] = content
    served.moved = {f"/{name}": "/elsewhere", "/elsewhere": served.url("/storage/7f3a")}
    assert fetch(served.url(f"/{name}")).name == name
    assert served.asked == [f"/{name}", "/elsewhere", "/storage/7f3a"]


def test_a_file_in_the_cache_that_is_not_what_its_name_says_is_fetched_anew(served: Files) -> None:
    content = saved(1.0)
    url = served.url(f"/resnet-{hashlib.sha256(content).hexdigest()[:8]}.pth")
    place_of(url).parent.mkdir(parents=True)
    place_of(url).write_bytes(content[:100])
    with pytest.raises(WeightsError, match="404"):
        fetch(url)
    assert place_of(url).read_bytes() == content[:100]  # a network that is not there takes nothing away
    served.files[place_of(url).name.join(("/", ""))] = content
    assert fetch(url).read_bytes() == content


def test_a_download_is_shown_where_somebody_looks_on(
    served: Files, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    served.files |= {"/a.pth": saved(1.0), "/b.pth": saved(1.0)}
    fetch(served.url("/a.pth"))
    assert capfd.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fetch(served.url("/b.pth"))
    assert "100%" in capfd.readouterr().err


def test_a_file_that_is_not_there_is_named_with_the_place_to_lay_it(served: Files) -> None:
    url = served.url("/none-0676ba61.pth")
    with pytest.raises(WeightsError, match="404") as caught:
        fetch(url)
    assert url in str(caught.value)
    assert f"put it at {place_of(url)}" in str(caught.value)


def test_a_file_that_was_laid_by_hand_is_not_asked_for(served: Files) -> None:
    content = saved(1.0)
    url = served.url(f"/resnet-{hashlib.sha256(content).hexdigest()[:8]}.pth")
    place_of(url).parent.mkdir(parents=True)
    place_of(url).write_bytes(content)
    assert fetch(url) == place_of(url)
    assert served.asked == []


def test_torchvisions_files_lie_where_torchvision_keeps_them() -> None:
    path = place_of("https://example.org/models/resnet50-0676ba61.pth")
    assert path == Path(torch.hub.get_dir()) / "checkpoints" / "resnet50-0676ba61.pth"


@pytest.mark.parametrize(
    ("name", "checksum"),
    [
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("resnet50-20240101.pth", None),  # a date
        ("iter-00160000.ckpt", None),  # a step
        ("net-1234567.pth", None),  # too short
        ("best.ckpt", None),
    ],
)
def test_a_date_or_a_step_in_a_name_is_no_checksum(name: str, checksum: str | None) -> None:
    assert checksum_in(name) == checksum


def test_a_wrong_checksum_in_the_name_of_a_file_is_an_error_and_a_right_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")
    right = tmp_path / f"net-{sha256(path)[:8]}.pth"
    right.write_bytes(b"weights")
    assert locate(right) == right
    wrong = tmp_path / "net-0000000a.pth"
    wrong.write_bytes(b"weights")
    with pytest.raises(WeightsError, match=r"net-0000000a.pth is damaged"):
        read_weights(wrong)
