"""Weights by URL, from a server on this machine."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from icnet.errors import WeightsError
from icnet.weights.download import checksum_in, fetch, place_of, sha256, verify_checksum
from icnet.weights.start import read_weights


def saved(value: float) -> bytes:
    data = io.BytesIO()
    torch.save({"w": torch.full((2,), value)}, data)
    return data.getvalue()


class Files:
    """A server of files by their paths; counts what it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        files, asked = self.files, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                content = files.get(self.path)
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

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


def test_a_download_with_another_checksum_than_its_name_says_is_not_kept(served: Files) -> None:
    content = saved(1.0)
    name = f"/resnet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    served.files[name] = content[:-1] + b"x"
    with pytest.raises(WeightsError, match="invalid hash value"):
        fetch(served.url(name))
    assert not place_of(served.url(name)).exists()
    served.files[name] = content
    assert fetch(served.url(name)).name == name[1:]


def test_a_file_that_is_not_there_is_named_with_the_place_to_lay_it(served: Files) -> None:
    url = served.url("/none-0676ba61.pth")
    with pytest.raises(WeightsError, match="404") as caught:
        fetch(url)
    assert url in str(caught.value)
    assert f"put it at {place_of(url)}" in str(caught.value)
    place_of(url).write_bytes(b"laid by hand")
    assert fetch(url) == place_of(url)


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
    verify_checksum(right)
    wrong = tmp_path / "net-0000000a.pth"
    wrong.write_bytes(b"weights")
    with pytest.raises(WeightsError, match=r"net-0000000a.pth is damaged"):
        read_weights(wrong)
