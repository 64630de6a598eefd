"""Recorder: a real server on loopback that keeps what it is sent and answers what it is told."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Optional

from watch import PATIENCE_SECONDS, until


class Received(NamedTuple):
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def text(self) -> str:
        return gzip.decompress(self.body).decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        batch: list[dict[str, Any]] = json.loads(self.text)["batch"]
        return batch


class Recorder:
    """A server on loopback that keeps what it is sent and answers what it is told."""

    def __init__(self, context: Optional[ssl.SSLContext] = None) -> None:
        self.requests: list[Received] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answering = threading.Event()
        self.answering.set()
        self.trickles = False  # answers ten bytes a second instead, and never comes to an end
        self.left_at = 0.0  # when who was answered so had gone
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        host = "http://127.0.0.1" if context is None else "https://localhost"
        self.url = f"{host}:{self._server.server_port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for request in list(self.requests) for event in request.events]

    def wait(self, events: int, seconds: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
        """What has arrived once there are `events`, or whatever there is then."""
        until(lambda: len(self.events) >= events, seconds, must=False)
        return self.events

    def close(self) -> None:
        self.trickles = False
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            recorder.requests.append(Received(self.path, dict(self.headers), body, time.time()))
            while recorder.trickles:
                self._trickle()
            recorder.answering.wait(60)
            try:
                self.send_response(recorder.status)
                for name, value in recorder.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # who asked is gone

        do_GET = do_POST

        def _trickle(self) -> None:
            try:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\nX: ")
                while recorder.trickles:
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                recorder.trickles = False  # who asked is gone
                recorder.left_at = time.time()

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


@contextmanager
def recorder(context: Optional[ssl.SSLContext] = None) -> Iterator[Recorder]:
    server = Recorder(context)
    try:
        yield server
    finally:
        server.close()
