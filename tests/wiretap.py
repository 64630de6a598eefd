"""Wiretap: stands between a sender and its server, and keeps every byte that leaves."""

from __future__ import annotations

import contextlib
import io
import selectors
import socket
import threading
from collections.abc import Iterator

from network import accepted, listener, read_request
from recorder import Received


class Wiretap:
    """Relays to the server at `url`."""

    def __init__(self, url: str) -> None:
        self.server = ("127.0.0.1", int(url.rpartition(":")[2]))
        self.heard: list[bytearray] = []  # one for each connection
        self._listener = listener()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bytes(self) -> bytes:
        """Everything that was said to the server."""
        return b"".join(map(bytes, list(self.heard)))

    @property
    def requests(self) -> list[Received]:
        """The requests in that, one a connection."""
        found = (read_request(io.BytesIO(bytes(heard))) for heard in list(self.heard))
        return [request for request in found if request is not None]

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        for client in accepted(self._listener):
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        heard = bytearray()
        self.heard.append(heard)
        with contextlib.suppress(ConnectionError), client, socket.create_connection(self.server) as server:
            _listen(client, server, heard)


def _listen(client: socket.socket, server: socket.socket, heard: bytearray) -> None:
    """Carry what each of the two says to the other, until one of them is gone."""
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                content = source.recv(65_536)
                if not content:
                    return
                if source is client:
                    heard += content
                target.sendall(content)


@contextlib.contextmanager
def wiretap(url: str) -> Iterator[Wiretap]:
    tap = Wiretap(url)
    try:
        yield tap
    finally:
        tap.close()
