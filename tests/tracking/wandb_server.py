"""W&B servers: one that takes what a run logs, and several that are of no use."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CLOSED = "http://127.0.0.1:9"  # nobody listens there
KEY = "0" * 40
_ENTITY = {"id": "3", "name": "me"}


class Server(ThreadingHTTPServer):
    """As much of W&B as one run needs.

    rows: what was logged, in order. silent: set it, and nothing is answered any more until the server ends.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: list[dict[str, Any]] = []
        self.silent, self.ended = threading.Event(), threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.address}/file"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        if "upsertBucket" in query:
            return {"upsertBucket": {"bucket": self._bucket(variables["name"]), "inserted": not self.rows}}
        if "query RunResumeStatus" in query and self.rows:
            return {"model": {"id": "2", "name": "icnet", "entity": _ENTITY, "bucket": self._bucket(variables["name"])}}
        return {}

    def _bucket(self, name: str) -> dict[str, Any]:
        counts = {"historyLineCount": len(self.rows), "eventsLineCount": 0, "logLineCount": 0}
        tails = {"historyTail": json.dumps([json.dumps(row) for row in self.rows[-1:]]), "eventsTail": "[]"}
        texts = {"summaryMetrics": "{}", "config": "{}", "tags": [], "wandbConfig": '{"t": {}}'}
        project = {"id": "2", "name": "icnet", "entity": _ENTITY}
        return {"id": "1", "name": name, "displayName": "run", "project": project, **counts, **tails, **texts}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.silent.is_set():
            self.server.ended.wait()
            return
        data: dict[str, Any] = {}
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/graphql":
            asked = json.loads(body)
            data = {"data": self.server.answer(asked["query"], asked.get("variables", {}))}
        elif self.path.endswith("/file_stream"):
            history = json.loads(body).get("files", {}).get("wandb-history.jsonl", {})
            self.server.rows += map(json.loads, history.get("content", []))
        answer = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PUT = do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()


@contextmanager
def serve_nobody(kind: str) -> Iterator[str]:
    """The address of a W&B that refuses connections, accepts them and says nothing, or knows no such key."""
    if kind == "refuses":
        yield CLOSED
    elif kind == "is silent":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    else:
        with ThreadingHTTPServer(("127.0.0.1", 0), _KnowsNobody) as listener:
            threading.Thread(target=listener.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{listener.server_port}"
            listener.shutdown()


class _KnowsNobody(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_error(401)

    def log_message(self, *_: Any) -> None:
        pass
