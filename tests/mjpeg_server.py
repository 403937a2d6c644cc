"""A camera on the loopback: JPEG images one after another in an HTTP answer, with the ends that a stream can have."""

from __future__ import annotations

import base64
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Thread

import cv2
import numpy as np

STEP = 8  # grey values between one image and the next


def grey(number: int, height: int = 64, width: int = 128) -> bytes:
    """A JPEG that tells its number by its grey value, up to 31."""
    return cv2.imencode(".jpg", np.full((height, width, 3), STEP * number, np.uint8))[1].tobytes()


class Camera(ThreadingHTTPServer):
    """Sends `images` to whoever asks for /video.

    length: whether each part tells its length. end: closed, final (with the last boundary), cut (in the middle of the last
    image), empty (before it), stalled (before it), reset, endless (from the start again, at `pause_s`).
    login: the Authorization that it wants to see. sent: set when all images have been.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, images: list[bytes], length: bool = True, end: str = "closed", login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.images, self.length, self.end, self.login = images, length, end, login
        self.pause_s = 0.02
        self.sent, self.ended = Event(), Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/video"


class _Handler(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        camera = self.server
        scheme = camera.login.partition(" ")[0]
        if not self.headers.get("Authorization", "").startswith(camera.login):
            self.send_response(401)
            self.send_header("WWW-Authenticate", f'{scheme} realm="a", nonce="1"')
            self.end_headers()
        elif self.path == "/picture.jpg":
            self._answer("image/jpeg", camera.images[0])
        elif self.path == "/page":
            self._answer("text/html", b"<p>no video</p>")
        elif self.path == "/silent":
            camera.ended.wait()
        elif self.path == "/video":
            self._answer("multipart/x-mixed-replace; boundary=frame")
            self._send_images()
        else:
            self.send_error(404)

    def _answer(self, kind: str, body: bytes = b"") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def _send_images(self) -> None:
        camera = self.server
        *first, last = camera.images
        for image in first:
            self._send(image, len(image))
        if camera.end == "cut":
            self._send(last[: len(last) // 2], len(last))
        elif camera.end == "empty":
            self._send(b"", len(last))
        elif camera.end == "stalled":
            camera.sent.set()
            camera.ended.wait()
        else:
            self._send(last, len(last))
        if camera.end == "final":
            self.wfile.write(b"--frame--\r\n")
            camera.sent.set()
            camera.ended.wait()  # HTTP keeps the connection
        elif camera.end == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        for number in count() if camera.end == "endless" and not camera.ended.is_set() else ():
            image = camera.images[number % len(camera.images)]
            try:
                self._send(image, len(image))
            except OSError:
                break
            camera.ended.wait(camera.pause_s)
        camera.sent.set()

    def _send(self, image: bytes, length: int) -> None:
        told = f"Content-Length: {length}\r\n" if self.server.length else ""
        self.wfile.write(f"--frame\r\nContent-Type: image/jpeg\r\n{told}\r\n".encode() + image)
        if len(image) == length:
            self.wfile.write(b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def basic(user: str, password: str) -> str:
    """The header by which a client logs in."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@contextmanager
def serving(camera: Camera) -> Iterator[Camera]:
    """Answers in threads until the block ends."""
    thread = Thread(target=camera.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield camera
    finally:
        camera.ended.set()
        camera.shutdown()
        camera.server_close()
        thread.join()
