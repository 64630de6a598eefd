"""Network: the three networks a host may find, all on loopback.

healthy      a server that answers 200 after 100 ms
black hole   a port whose packets are dropped: a connection attempt hangs until somebody loses patience
refused      a port where nobody listens
"""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER_SECONDS = 0.1
PATIENCE_SECONDS = 1.5  # longer than the kernel takes to repeat a SYN
FILLERS = 4  # a backlog of 0 takes one connection or two, after which Linux drops what comes

HEALTHY, BLACK_HOLE, REFUSED = "healthy", "black hole", "refused"


class NetworkError(Exception):
    """A network does not behave as its name says."""


class Network:
    """Where a host sends to. `requests` counts what arrived."""

    def __init__(self, name: str, port: int, *held: socket.socket) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.requests = 0
        self._held = held

    def close(self) -> None:
        """Give the port back."""
        for held in self._held:
            held.close()


class _Healthy(Network):
    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        super().__init__(HEALTHY, self._server.server_port)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def open_network(name: str) -> Network:
    """The network `name`, checked. Raises NetworkError."""
    if name == HEALTHY:
        return _Healthy()
    network = _black_hole() if name == BLACK_HOLE else _refused()
    found = _attempt(network.port)
    if found != name:
        network.close()
        raise NetworkError(f"a connection to the {name} port ended as: {found}")
    return network


def _black_hole() -> Network:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fillers = [socket.socket() for _ in range(FILLERS)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    return Network(BLACK_HOLE, port, listener, *fillers)


def _refused() -> Network:
    held = socket.socket()  # bound but not listening, so that nobody else takes the port meanwhile
    held.bind(("127.0.0.1", 0))
    return Network(REFUSED, held.getsockname()[1], held)


def _attempt(port: int) -> str:
    """What a connection attempt comes to."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS):
            return "connected"
    except ConnectionRefusedError:
        return REFUSED
    except socket.timeout:  # TimeoutError only since Python 3.10
        return BLACK_HOLE


def _handler(network: Network) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(ANSWER_SECONDS)
            network.requests += 1
            body = b'{"status": 1}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server names it so
            """Say nothing."""

    return Handler
