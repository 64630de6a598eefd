"""Network: a server on loopback with any fault that a server can have, and a port that answers nothing at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from http.client import parse_headers
from typing import BinaryIO, Optional

import pytest
from recorder import Received

POLL_SECONDS = 0.2
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all, so that closing sends a reset


class Faulty:
    """Reads a request, says `head`, then `chunk` again and again, `pause` seconds apart, up to `limit` bytes.

    In the end it hangs up; where it `hangs` it waits for the other side to do so, and where it `resets` it is rude.
    """

    def __init__(
        self,
        head: bytes = b"",
        chunk: bytes = b"",
        *,
        pause: float = 0.0,
        limit: int = 10**12,
        hangs: bool = False,
        resets: bool = False,
        reads: bool = True,
        context: Optional[ssl.SSLContext] = None,
        scheme: str = "",
    ) -> None:
        self.head, self.chunk, self.pause, self.limit = head, chunk, pause, limit
        self.hangs, self.resets, self.reads, self.context = hangs, resets, reads, context
        self.scheme = scheme or ("https" if context else "http")
        self.connections = 0
        self.requests: list[Received] = []
        self.sent = 0  # bytes that the other side, or the kernel for it, has taken
        self._open = True
        self._listener = listener()
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def message_ids(self) -> list[str]:
        return [event["messageId"] for request in list(self.requests) for event in request.events]

    def close(self) -> None:
        self._open = False
        self._listener.close()

    def _accept(self) -> None:
        for connection in accepted(self._listener):
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self.context.wrap_socket(connection, server_side=True) if self.context else connection as peer:
                self._answer(peer)
        except OSError:
            connection.close()  # who asked is gone, or does not trust us

    def _answer(self, peer: socket.socket) -> None:
        if self.reads:
            with peer.makefile("rb") as stream:
                received = read_request(stream)
                if received is not None:
                    self.requests.append(received)
        self._say(peer, self.head)
        while self._open and self.chunk and self.sent < self.limit:
            self._say(peer, self.chunk)
            time.sleep(self.pause)
        while self._open and self.hangs and peer.recv(1):
            pass
        if self.resets:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def _say(self, peer: socket.socket, content: bytes) -> None:
        peer.sendall(content)
        self.sent += len(content)


@contextlib.contextmanager
def faulty(server: Faulty) -> Iterator[Faulty]:
    try:
        yield server
    finally:
        server.close()


def listener() -> socket.socket:
    """A port on loopback for `accepted`."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(POLL_SECONDS)
    return server


def accepted(server: socket.socket) -> Iterator[socket.socket]:
    """Those who connect, until the server is closed, of which a call that waits would not hear."""
    while True:
        try:
            yield server.accept()[0]
        except socket.timeout:
            continue
        except OSError:
            return


def read_request(stream: BinaryIO) -> Optional[Received]:
    """One HTTP request, None where the other side hangs up instead."""
    line = stream.readline(65_536).split()
    if len(line) != 3:
        return None
    headers = parse_headers(stream)
    body = stream.read(int(headers.get("Content-Length", 0)))
    return Received(line[1].decode(), dict(headers), body, time.time())


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """The address of a port that is bound, so that nobody else gets it, and refuses."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """The address of a port that lets every SYN go unanswered: its backlog is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        time.sleep(0.1)
        with socket.socket() as probe:
            probe.settimeout(1)
            try:
                probe.connect(full.getsockname())
                pytest.skip("this system answers although the backlog is full")
            except OSError:
                pass  # timed out, as it should
        yield f"http://127.0.0.1:{full.getsockname()[1]}"
