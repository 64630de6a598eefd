"""Breaker: when is the next attempt to send due? An endpoint that is gone must cost nothing.

    failures: 3
    not_before: 1767323045        seconds since the epoch
    gone: 1.2.3 1.2.4             the versions of the host that were told to stop (HTTP 410), or empty

Pauses double from one minute to a day: a dead endpoint sees 11 attempts in the first day and one a day from then on.
The file's time is not_before, and 0 where the endpoint is gone, so that a run needs but one look at it. No file means
that the last attempt went well; one that a crash has torn, a pause of a day from when it was written.
"""

from __future__ import annotations

import os
import time

from cli_analytics import storage
from cli_analytics.storage import Storage, StorageError

FIRST_PAUSE_SECONDS = 60
LONGEST_PAUSE_SECONDS = 24 * 3600
VERSIONS = 20  # of one host, that anybody uses in turn
END_OF_TIME = 10**11  # seconds; a later moment no system can give a file


class Breaker:
    """How sending went of late."""

    __slots__ = ("failures", "gone", "not_before")

    def __init__(self, failures: int = 0, not_before: int = 0, gone: tuple[str, ...] = ()) -> None:
        self.failures = failures
        self.not_before = not_before
        self.gone = gone

    def is_gone(self, version: str) -> bool:
        """True when version `version` of the host was told that the endpoint is gone for good."""
        return _word(version) in self.gone

    def due(self, version: str) -> bool:
        """True when version `version` of the host may try now."""
        if self.is_gone(version):
            return False
        # A pause further away than the longest one was written by a clock that has since been set back.
        return not 0 < self.not_before - time.time() <= LONGEST_PAUSE_SECONDS


def read(where: Storage) -> Breaker:
    """The breaker. Raises StorageError where there is one that can't be read: then nothing is due."""
    content = storage.read(where.breaker)
    if content is None:
        return Breaker()
    if not content.endswith(b"\n"):
        return _torn(where)
    try:
        failures, not_before, gone = (line.split(":", 1)[1].strip() for line in content.decode().splitlines())
        found = Breaker(int(failures), int(not_before), tuple(gone.split()))
    except (ValueError, IndexError):
        return _torn(where)
    return found if found.failures >= 0 and 0 <= found.not_before < END_OF_TIME else _torn(where)


def attempted(where: Storage) -> None:
    """An attempt begins: pause twice as long as last time, unless `succeeded` takes it back.

    Written before the attempt, so that one which ends with the death of the sender counts too.
    """
    known = read(where)
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(known.failures, 20), LONGEST_PAUSE_SECONDS)
    _write(where, Breaker(known.failures + 1, int(time.time()) + pause, known.gone))


def postpone(where: Storage, seconds: int) -> None:
    """The endpoint asked for a pause: wait that long at least."""
    known = read(where)
    wish = int(time.time()) + min(seconds, LONGEST_PAUSE_SECONDS)
    _write(where, Breaker(known.failures, max(known.not_before, wish), known.gone))


def stop(where: Storage, version: str) -> None:
    """The endpoint is gone for good: nothing is due until the host is upgraded.

    All versions that were told so are remembered, or two of them used in turn would ask again and again.
    """
    _write(where, Breaker(gone=(*read(where).gone, _word(version))[-VERSIONS:]))


def succeeded(where: Storage) -> None:
    """An attempt went well."""
    storage.remove(where.breaker)


def _torn(where: Storage) -> Breaker:
    """A pause of a day from when the file was written; its time may be one that lies ahead."""
    try:
        written = os.stat(where.breaker).st_mtime
    except OSError as error:
        raise StorageError(where.breaker, error) from error
    return Breaker(not_before=int(min(written, time.time())) + LONGEST_PAUSE_SECONDS)


def _word(version: str) -> str:
    return "_".join(version.split()) or "-"


def _write(where: Storage, breaker: Breaker) -> None:
    lines = f"failures: {breaker.failures}\nnot_before: {breaker.not_before}\ngone: {' '.join(breaker.gone)}\n"
    storage.replace(where.breaker, lines.encode())
    os.utime(where.breaker, (breaker.not_before, breaker.not_before))
