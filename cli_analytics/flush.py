"""Flush: wait until everything that waits has been sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cli_analytics import breaker, environment, recording, sender, storage
from cli_analytics.spool import Spool
from cli_analytics.storage import Storage

if TYPE_CHECKING:
    from cli_analytics.host import Host

POLL_SECONDS = 0.01


def flush(host: Host, timeout: float) -> bool:
    """Wait up to `timeout` seconds until nothing waits to be sent. True if nothing does."""
    where = storage.locate(host.tool, host.environ)
    ends = time.monotonic() + timeout
    waiting = Spool(where.spool, is_mounted=where.is_mounted)
    if waiting.is_empty():
        return True
    if where.is_mounted or environment.debug(host.environ) or not recording.decide(host, where).allowed:
        return False  # a launcher's side sends when this container has ended
    while not waiting.is_empty():
        if time.monotonic() >= ends or not _see_to_a_sender(host, where):
            return False
        time.sleep(POLL_SECONDS)
    while time.monotonic() < ends and _is_being_noted(host, where):
        time.sleep(POLL_SECONDS)
    return True


def _is_being_noted(host: Host, where: Storage) -> bool:
    """Whether a sender has yet to note how it went. Killed before that, as with a container, it would have failed."""
    return not breaker.read(where).due(host.version) and sender.is_alive(where)


def _see_to_a_sender(host: Host, where: Storage) -> bool:
    """By its lock: one that was killed with its container seems alive by its mark for two seconds."""
    is_started = sender.start_if_due(where, manifest=host.manifest, version=host.version, environ=host.environ)
    return is_started or sender.is_alive(where)
