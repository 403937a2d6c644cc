"""A headless Chromium that a test drives through the DevTools protocol."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome") or "no Chromium"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


class Page:
    """errors: what the page threw, logged or was refused."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: WebSocketClientConnection) -> None:
        self.errors: list[str] = []
        self._loop, self._socket, self._ids = loop, socket, itertools.count(1)
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._loop.run_until_complete(self._send({"id": next(self._ids), "method": method, "params": params}))

    async def _send(self, message: dict[str, Any]) -> dict[str, Any]:
        await self._socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self._socket.read_message() or "null")
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            if answer["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(json.dumps(answer["params"]))

    def read(self, expression: str) -> Any:
        """The value of a piece of JavaScript."""
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)["result"].get(
            "value"
        )

    def wait(self, expression: str, seconds: float = 120) -> Any:
        """The value of a piece of JavaScript, as soon as it is true."""
        end = time.monotonic() + seconds
        while not (value := self.read(expression)):
            assert time.monotonic() < end, (
                f"{expression} stays {value!r}: {self.read('document.body.innerText')} {self.errors}"
            )
            time.sleep(0.1)
        return value

    def open_file(self, path: Path) -> None:
        """Choose a file in the page's only field for files."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        field = self.send("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
        self.send("DOM.setFileInputFiles", files=[str(path)], nodeId=field)


@contextmanager
def open_page(url: str, folder: Path, before: str = "") -> Iterator[Page]:
    """folder: for the browser's profile. before: JavaScript that runs ahead of the page's own."""
    command = [PROGRAM, *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    loop = asyncio.new_event_loop()
    try:
        page = Page(loop, loop.run_until_complete(_connect(_address(folder / "DevToolsActivePort"))))
        page.send("Page.addScriptToEvaluateOnNewDocument", source=before)
        page.send("Page.navigate", url=url)
        yield page
    finally:
        process.terminate()
        process.wait(30)
        loop.close()


def _address(written: Path) -> str:
    """Of the only tab; the browser writes its port into a file when it listens."""
    for _ in range(600):
        if written.is_file() and (port := written.read_text().partition("\n")[0]):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                return next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
        time.sleep(0.1)
    raise TimeoutError("Chromium does not start")


async def _connect(address: str) -> WebSocketClientConnection:
    return await websocket_connect(address)
