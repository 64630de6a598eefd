"""Breaker: when is the next attempt to send due? An endpoint that is gone must cost nothing.

    failures: 3
    not_before: 1767323045        seconds since the epoch
    gone: 1.2.3                   the version of the host that was told to stop (HTTP 410), or empty

Pauses double from one minute to a day: a dead endpoint sees 11 attempts in the first day and one a day from then on.
The file's time is not_before, and 0 where the endpoint is gone, so that a run needs but one look at it. No file means
that the last attempt went well.
"""

from __future__ import annotations

import os
import time

from cli_analytics import storage
from cli_analytics.storage import Storage, StorageError

FIRST_PAUSE_SECONDS = 60
LONGEST_PAUSE_SECONDS = 24 * 3600


class Breaker:
    """How sending went of late."""

    __slots__ = ("failures", "gone", "not_before")

    def __init__(self, failures: int = 0, not_before: int = 0, gone: str = "") -> None:
        self.failures = failures
        self.not_before = not_before
        self.gone = gone

    def due(self, version: str) -> bool:
        """True when version `version` of the host may try now."""
        if self.gone:
            return self.gone != version
        # A pause further away than the longest one was written by a clock that has since been set back.
        return not 0 < self.not_before - time.time() <= LONGEST_PAUSE_SECONDS


def read(where: Storage) -> Breaker:
    """The breaker. Raises StorageError where it can't be read: then nothing is due."""
    content = storage.read(where.breaker)
    if content is None:
        return Breaker()
    try:
        failures, not_before, gone = (line.split(":", 1)[1].strip() for line in content.decode().splitlines())
        return Breaker(int(failures), int(not_before), gone)
    except (ValueError, IndexError) as error:
        raise StorageError(where.breaker, "is no breaker") from error


def attempted(where: Storage) -> None:
    """An attempt begins: pause twice as long as last time, unless `succeeded` takes it back.

    Written before the attempt, so that one which ends with the death of the sender counts too.
    """
    failures = read(where).failures + 1
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 20), LONGEST_PAUSE_SECONDS)
    _write(where, Breaker(failures, int(time.time()) + pause))


def postpone(where: Storage, seconds: int) -> None:
    """The endpoint asked for a pause: wait that long at least."""
    known = read(where)
    wish = int(time.time()) + min(seconds, LONGEST_PAUSE_SECONDS)
    _write(where, Breaker(known.failures, max(known.not_before, wish)))


def stop(where: Storage, version: str) -> None:
    """The endpoint is gone for good: nothing is due until the host is upgraded."""
    _write(where, Breaker(gone=version or "-"))


def succeeded(where: Storage) -> None:
    """An attempt went well."""
    storage.remove(where.breaker)


def _write(where: Storage, breaker: Breaker) -> None:
    lines = f"failures: {breaker.failures}\nnot_before: {breaker.not_before}\ngone: {breaker.gone}\n"
    storage.replace(where.breaker, lines.encode())
    os.utime(where.breaker, (breaker.not_before, breaker.not_before))
