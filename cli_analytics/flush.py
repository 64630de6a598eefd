"""Flush: wait until everything that waits has been sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cli_analytics import environment, recording, sender, storage
from cli_analytics.spool import Spool

if TYPE_CHECKING:
    from cli_analytics.host import Host

POLL_SECONDS = 0.01


def flush(host: Host, timeout: float) -> bool:
    """Wait up to `timeout` seconds until nothing waits to be sent. True if nothing does."""
    where = storage.locate(host.tool, host.environ)
    ends = time.monotonic() + timeout
    waiting = Spool(where.spool)
    if waiting.is_empty():
        return True
    if environment.debug(host.environ) or not recording.decide(host, where).allowed:
        return False
    while not waiting.is_empty():
        if time.monotonic() >= ends or not (recording.start_sender(host, where) or sender.is_alive(where)):
            return False
        time.sleep(POLL_SECONDS)
    return True
