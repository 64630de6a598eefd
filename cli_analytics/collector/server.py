"""Server: the collector on a port, until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from cli_analytics.collector import extra
from cli_analytics.manifest import Manifest

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 1024  # connections that wait while a burst is archived
GRACE_SECONDS = 5  # for requests that have begun; orchestrators kill after 10


def serve(
    manifests: Sequence[Manifest],
    archive: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8817,
    ready: Callable[[str], None],
) -> None:
    """Archives what hosts send until SIGTERM or SIGINT; calls `ready` with the URL once it listens.

    Port 0 picks a free one. Raises, before it listens, ArchiveError for an archive that can't be written, OSError for
    an address that can't be had, ManifestError for two manifests of one tool, CliAnalyticsError without the extra.
    """
    with extra.required():
        import uvicorn

        from cli_analytics.collector.app import Collector
        from cli_analytics.collector.archive import Archive

    with contextlib.closing(Archive(archive)) as opened:
        collector = Collector(manifests, opened)
        with _listening(host, port) as listener:
            server = uvicorn.Server(_config(collector))
            with _stopped_by_signals(server):
                ready(_url(listener))
                server.run(sockets=[listener])


def _config(collector: object) -> uvicorn.Config:
    """Quiet about everything but errors, above all about peers' addresses."""
    import uvicorn

    return uvicorn.Config(
        collector,  # type: ignore[arg-type]
        access_log=False,
        log_config=None,
        log_level="warning",
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Makes both signals end the server and nothing else: uvicorn raises them once more when it has stopped."""

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
