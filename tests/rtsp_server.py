"""As much of RTSP as one camera needs that sends an MPEG transport stream within the connection, and wants a login."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 33\r\na=control:track\r\n"
)
_PACKET = 7 * 188  # bytes of seven packets of the transport stream


@contextmanager
def serving_rtsp(stream: bytes, login: str, stalls: bool) -> Iterator[str]:
    """Sends `stream` to one client whose Authorization is `login`, then closes, or says no more; yields host and path."""
    ended = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=_serve, args=(server, stream, login, ended if stalls else None))
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}/live"
        finally:
            ended.set()
            socket.create_connection(server.getsockname()).close()  # where no client came
            thread.join()


def _serve(server: socket.socket, stream: bytes, login: str, ended: Event | None) -> None:
    with server.accept()[0] as client, client.makefile("rb") as requests:
        while request := requests.readline().decode():
            headers = {}
            while line := requests.readline().decode().strip():
                key, _, value = line.partition(": ")
                headers[key] = value
            method, answer = request.split()[0], {"CSeq": headers["CSeq"], "Session": "1"}
            if method != "OPTIONS" and headers.get("Authorization") != login:
                _answer(client, "401 Unauthorized", answer | {"WWW-Authenticate": 'Basic realm="a"'})
            elif method == "DESCRIBE":
                _answer(client, "200 OK", answer | {"Content-Type": "application/sdp"}, _SDP)
            else:
                _answer(client, "200 OK", answer | {"Transport": headers.get("Transport", "")})
            if method == "PLAY":
                _send(client, stream)
                if ended is not None:
                    ended.wait()
                return


def _answer(client: socket.socket, status: str, headers: dict[str, str], body: str = "") -> None:
    lines = [f"RTSP/1.0 {status}", *(f"{key}: {value}" for key, value in headers.items() if value)]
    client.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode())


def _send(client: socket.socket, stream: bytes) -> None:
    """RTP packets of type 33, each behind its length."""
    for number in count():
        payload = stream[number * _PACKET : (number + 1) * _PACKET]
        if not payload:
            return
        packet = struct.pack("!BBHII", 0x80, 33, number, number, 1) + payload
        client.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
