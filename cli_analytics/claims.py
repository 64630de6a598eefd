"""Claims: a sender's exclusive right to events of the spool.

A claim is a rename from new/ to claimed/. Only who holds the sender's lock makes any, so what lies in claimed/ and is
not his has lost its sender, and waits again at once; no clock is asked. An event that had been delivered is then sent
again with the same messageId, by which the collector knows it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator

from cli_analytics import drafts, storage
from cli_analytics.spool import Spool, names, size
from cli_analytics.storage import StorageError

MAX_AGE_SECONDS = 7 * 24 * 3600


class Claims:
    """What the one sender that holds the lock has of a spool."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._held: set[str] = set()

    def claim(self, limit: int) -> list[tuple[str, bytes]]:
        """Take up to `limit` events, oldest first: name and content. Raises StorageError or OSError."""
        self.return_orphans()
        drafts.empty_of_old(self.spool.path("tmp"))
        claimed = []
        for name in self.spool.waiting()[:limit]:
            if _age_seconds(name) > MAX_AGE_SECONDS:
                self.spool.drop(name)
            try:
                os.rename(self.spool.path("new", name), self.spool.path("claimed", name))
            except FileNotFoundError:
                continue  # dropped: too old, or one too many
            self._held.add(name)
            claimed.append((name, self._content(name)))
        return claimed

    def peek(self, limit: int) -> Iterator[tuple[list[bytes], int]]:
        """What `claim` would take one time after the other, and how many events it would have dropped; all stays."""
        folders = {
            name: folder for folder in ("claimed", "new") for name in names(self.spool.path(folder)) if size(name)
        }
        waiting = sorted(folders)
        dropped = self._dropped()
        for start in range(0, len(waiting), limit):
            batch = waiting[start : start + limit]
            young = [name for name in batch if _age_seconds(name) <= MAX_AGE_SECONDS]
            dropped += len(batch) - len(young)
            yield [storage.read(self.spool.path(folders[name], name)) or b"" for name in young], dropped

    def done(self, name: str) -> None:
        """Forget an event that was delivered or rejected."""
        self._held.discard(name)
        self._remove(name)

    def release(self, name: str) -> None:
        """Put a claimed event back to wait."""
        self._held.discard(name)
        _move(self.spool.path("claimed", name), self.spool.path("new", name))

    def claim_dropped(self) -> int:
        """How many events were dropped since the last `done_dropped`."""
        if not os.path.exists(self.spool.path("claimed", "dropped")):
            _move(self.spool.path("dropped"), self.spool.path("claimed", "dropped"))
        return self._dropped()

    def done_dropped(self) -> None:
        """The number was delivered."""
        self._remove("dropped")

    def return_orphans(self) -> None:
        """Let wait again what another sender held, which must be dead, for it has lost the lock."""
        for name in names(self.spool.path("claimed")):
            if size(name) and name not in self._held:
                self.release(name)

    def _dropped(self) -> int:
        for path in (self.spool.path("claimed", "dropped"), self.spool.path("dropped")):
            try:
                status = os.stat(path)
            except OSError:
                continue
            return status.st_size if stat.S_ISREG(status.st_mode) else 0
        return 0

    def _content(self, name: str) -> bytes:
        """Nothing, which no gate lets through, where it can't be read: one bad file must not keep the others here."""
        try:
            return storage.read(self.spool.path("claimed", name)) or b""
        except StorageError:
            return b""

    def _remove(self, name: str) -> None:
        path = self.spool.path("claimed", name)
        try:
            storage.remove(path)
        except StorageError:
            _move(path, f"{path}-")  # somebody made a folder of that name; it is no event any more


def _age_seconds(name: str) -> float:
    return time.time() - int(name.split("-")[0]) / 1000


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        pass
