"""Breaker: when is the next attempt to send due? A destination that is gone must cost nothing.

    segment-1a2b3c4d5e6f: 3 1767323045                 failures, and not before that second since the epoch
    ga4-6f5e4d3c2b1a: 0 0 1.2.3 1.2.4                  the versions of the host that were told to stop (HTTP 410)

One line for each sink as soon as one of them is in trouble; without a file all went well. Pauses double from one minute
to a day: a dead endpoint sees 11 attempts in the first day and one a day from then on. The file's time is the earliest
moment at which any of them is due, and 0 where all are gone, so that a run needs but one look at it. A file that a
crash has torn is a pause of a day from when it was written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping

from cli_analytics import storage
from cli_analytics.storage import Storage, StorageError

FIRST_PAUSE_SECONDS = 60
LONGEST_PAUSE_SECONDS = 24 * 3600
VERSIONS = 20  # of one host, that anybody uses in turn
END_OF_TIME = 10**11  # seconds; a later moment no system can give a file
DUE_NOW = 2  # the time of a file that pauses nothing; what is older says that all are gone


class Breaker:
    """How sending to one sink went of late."""

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


class Breakers:
    """Those of all sinks. A torn file is one breaker for all of them, `torn`."""

    def __init__(self, known: Mapping[str, Breaker], torn: Breaker | None = None) -> None:
        self.known = known
        self.torn = torn

    def of(self, sink: str) -> Breaker:
        """That of one sink."""
        return self.torn or self.known.get(sink) or Breaker()

    def is_gone(self, version: str) -> bool:
        """True when version `version` of the host was told so by every sink."""
        return bool(self.known) and all(one.is_gone(version) for one in self.known.values())

    def due(self, version: str) -> bool:
        """True when version `version` of the host may try any of them now."""
        found = [self.torn] if self.torn else list(self.known.values())
        return not found or any(one.due(version) for one in found)


def read(where: Storage) -> Breakers:
    """The breakers. Raises StorageError where they can't be read: then nothing is due."""
    content = storage.read(where.breaker)
    if content is None:
        return Breakers({})
    if not content.endswith(b"\n"):
        return _torn(where)
    try:
        known = dict(map(_parsed, content.decode().splitlines()))
    except (ValueError, IndexError):
        return _torn(where)
    whole = all(one.failures >= 0 and 0 <= one.not_before < END_OF_TIME for one in known.values())
    return Breakers(known) if whole else _torn(where)


def attempted(where: Storage, sinks: Iterable[str], sink: str) -> None:
    """An attempt begins: pause twice as long as last time, unless `succeeded` takes it back.

    Written before the attempt, so that one which ends with the death of the sender counts too.
    """
    known = read(where).of(sink)
    pause = min(FIRST_PAUSE_SECONDS * 2 ** min(known.failures, 20), LONGEST_PAUSE_SECONDS)
    _change(where, sinks, sink, Breaker(known.failures + 1, int(time.time()) + pause, known.gone))


def postpone(where: Storage, sinks: Iterable[str], sink: str, seconds: int) -> None:
    """The endpoint asked for a pause: wait that long at least."""
    known = read(where).of(sink)
    wish = int(time.time()) + min(seconds, LONGEST_PAUSE_SECONDS)
    _change(where, sinks, sink, Breaker(known.failures, max(known.not_before, wish), known.gone))


def stop(where: Storage, sinks: Iterable[str], sink: str, version: str) -> None:
    """The endpoint is gone for good: nothing is due until the host is upgraded.

    All versions that were told so are remembered, or two of them used in turn would ask again and again.
    """
    gone = (*read(where).of(sink).gone, _word(version))[-VERSIONS:]
    _change(where, sinks, sink, Breaker(gone=gone))


def succeeded(where: Storage, sinks: Iterable[str], sink: str) -> None:
    """An attempt went well."""
    _change(where, sinks, sink, Breaker())


def _change(where: Storage, sinks: Iterable[str], sink: str, breaker: Breaker) -> None:
    known = read(where)
    found = {**{name: known.of(name) for name in sinks}, sink: breaker}
    if not any(one.failures or one.not_before or one.gone for one in found.values()):
        storage.remove(where.breaker)
        return
    lines = [f"{name}: {one.failures} {one.not_before} {' '.join(one.gone)}".rstrip() for name, one in found.items()]
    storage.replace(where.breaker, ("\n".join(lines) + "\n").encode())
    moments = [max(one.not_before, DUE_NOW) for one in found.values() if one.failures or not one.gone]
    os.utime(where.breaker, (min(moments, default=0),) * 2)


def _parsed(line: str) -> tuple[str, Breaker]:
    sink, rest = line.split(":", 1)
    failures, not_before, *gone = rest.split()
    return sink, Breaker(int(failures), int(not_before), tuple(gone))


def _torn(where: Storage) -> Breakers:
    """A pause of a day from when the file was written; its time may be one that lies ahead."""
    try:
        written = os.stat(where.breaker).st_mtime
    except OSError as error:
        raise StorageError(where.breaker, error) from error
    return Breakers({}, Breaker(not_before=int(min(written, time.time())) + LONGEST_PAUSE_SECONDS))


def _word(version: str) -> str:
    return "_".join(version.split()) or "-"
