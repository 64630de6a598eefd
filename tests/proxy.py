"""Proxy: an HTTP proxy on loopback that tunnels by CONNECT, and may want a password or refuse."""

from __future__ import annotations

import base64
import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator, Mapping
from http.client import parse_headers
from typing import NamedTuple

from network import accepted, listener


class Asked(NamedTuple):
    """What the proxy was asked for: the first line, and the headers."""

    line: str
    headers: Mapping[str, str]


class Proxy:
    """Tunnels to `names`, and to no other name. With `password` (`user:password`) only for who knows it."""

    def __init__(self, names: Mapping[str, int], password: str = "", refusal: str = "") -> None:
        self.names = names  # where a name really leads: a port on loopback
        self.refusal = refusal
        self.asked: list[Asked] = []
        self._credentials = f"Basic {base64.b64encode(password.encode()).decode()}" if password else None
        self._listener = listener()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        for client in accepted(self._listener):
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb", buffering=0) as stream:
            try:
                asked = Asked(stream.readline().decode().strip(), dict(parse_headers(stream)))
                self.asked.append(asked)
                refusal = self._refuses(asked)
                if refusal:
                    client.sendall(f"HTTP/1.1 {refusal}\r\n\r\n".encode())
                    return
                with socket.create_connection(("127.0.0.1", self.names[_host(asked)])) as server:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _relay(client, server)
            except OSError:
                pass  # one of them is gone

    def _refuses(self, asked: Asked) -> str:
        if self._credentials not in (None, asked.headers.get("Proxy-Authorization")):
            return '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="here"'
        if not asked.line.startswith("CONNECT ") or _host(asked) not in self.names:
            return "502 Bad Gateway"
        return self.refusal


@contextlib.contextmanager
def proxy(names: Mapping[str, int], password: str = "", refusal: str = "") -> Iterator[Proxy]:
    server = Proxy(names, password, refusal)
    try:
        yield server
    finally:
        server.close()


def _host(asked: Asked) -> str:
    return asked.line.split()[1].rpartition(":")[0]


def _relay(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in ready.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                content = source.recv(65_536)
                if not content:
                    return
                target.sendall(content)
