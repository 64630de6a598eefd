"""Bridge: a recorder that containers reach, over TLS by the bridge's address, or on the host's own loopback."""

from __future__ import annotations

import gzip
import ipaddress
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import image
import tls
from recorder import Recorder, _handler
from watch import PATIENCE_SECONDS, until

NAME = "collector.test"
INSIDE = "/etc/collector.test.pem"


class Bridged:
    """A recorder with a second door: `https://collector.test` at the address that the host has on the bridge."""

    def __init__(self, server: Recorder, folder: Path) -> None:
        authority = tls.Authority(folder)
        authority.file.chmod(0o644)
        self.recorder = server
        address = _address()
        self._door = ThreadingHTTPServer((address, 0), _handler(server))
        self._door.daemon_threads = True
        self._door.block_on_close = False
        self._door.socket = authority.vouch(NAME).wrap_socket(self._door.socket, server_side=True)
        threading.Thread(target=self._door.serve_forever, args=(0.02,), daemon=True).start()
        self.environ = {
            "CLI_ANALYTICS_ENDPOINT": f"https://{NAME}:{self._door.server_port}",
            "SSL_CERT_FILE": INSIDE,
        }
        self.mount = ("--volume", f"{authority.file}:{INSIDE}:ro")
        self.host = ("--add-host", f"{NAME}:{address}")
        self.options = (*self.host, *self.mount)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What arrived: compressed from Python, as it is from the shell."""
        found: list[dict[str, Any]] = []
        for request in list(self.recorder.requests):
            is_compressed = request.headers.get("Content-Encoding") == "gzip"
            found += json.loads(gzip.decompress(request.body) if is_compressed else request.body)["batch"]
        return found

    def wait(self, events: int, seconds: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
        """What has arrived once there are `events`, or whatever there is then."""
        until(lambda: len(self.events) >= events, seconds, must=False)
        return self.events

    def close(self) -> None:
        self._door.shutdown()
        self._door.server_close()


def _address() -> str:
    """The host's on the default bridge, which containers of every network reach."""
    [network] = json.loads(image.docker("network", "inspect", "bridge").stdout)
    settings = network["IPAM"]["Config"][0]
    return settings.get("Gateway") or str(ipaddress.ip_network(settings["Subnet"])[1])


@contextmanager
def bridged(folder: Path) -> Iterator[Bridged]:
    server = Recorder()
    try:
        door = Bridged(server, folder)
        try:
            yield door
        finally:
            door.close()
    finally:
        server.close()
