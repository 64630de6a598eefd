"""Claims: a sender's exclusive right to events of the spool.

A claim is a rename from new/ to claimed/, which only one can do. Claims whose sender died return by age; an event that
had been delivered is then sent again with the same messageId, by which the collector knows it.
"""

from __future__ import annotations

import os
import time

from cli_analytics import storage
from cli_analytics.spool import Spool, names, size

MAX_AGE_SECONDS = 7 * 24 * 3600
CLAIM_SECONDS = 60  # twice a sender's longest life: an older claim has lost its sender


class Claims:
    """What one sender holds of a spool."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    def claim(self, limit: int) -> list[tuple[str, bytes]]:
        """Take up to `limit` events, oldest first, for this process alone: name and content. Raises StorageError."""
        self._return_orphans()
        claimed = []
        for name in self.spool.waiting()[:limit]:
            if _age_seconds(name) > MAX_AGE_SECONDS:
                self.spool.drop(name)
                continue
            try:
                os.utime(self.spool.path("new", name))  # the age of the claim, set before anyone can see the claim
                os.rename(self.spool.path("new", name), self.spool.path("claimed", name))
            except FileNotFoundError:
                continue  # another sender was quicker, or the bounds dropped it
            claimed.append((name, storage.read(self.spool.path("claimed", name)) or b""))
        return claimed

    def done(self, name: str) -> None:
        """Forget an event that was delivered or rejected."""
        storage.remove(self.spool.path("claimed", name))

    def release(self, name: str) -> None:
        """Put a claimed event back to wait."""
        _move(self.spool.path("claimed", name), self.spool.path("new", name))

    def claim_dropped(self) -> int:
        """How many events were dropped since the last `done_dropped`."""
        if not os.path.exists(self.spool.path("claimed", "dropped")):
            _move(self.spool.path("dropped"), self.spool.path("claimed", "dropped"))
        try:
            return os.stat(self.spool.path("claimed", "dropped")).st_size
        except OSError:
            return 0

    def done_dropped(self) -> None:
        """The number was delivered."""
        storage.remove(self.spool.path("claimed", "dropped"))

    def _return_orphans(self) -> None:
        for name in names(self.spool.path("claimed")):
            try:
                age = time.time() - os.stat(self.spool.path("claimed", name)).st_mtime
            except OSError:
                continue
            if size(name) and age > CLAIM_SECONDS:
                self.release(name)


def _age_seconds(name: str) -> float:
    return time.time() - int(name.split("-")[0]) / 1000


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        pass
