"""Spool: where do events wait? A maildir: one file an event.

    spool/tmp/       being written
    spool/new/       waiting; renamed here when whole
    spool/claimed/   in the hands of a sender; renamed here, which only one can do
    spool/dropped    one byte for each event that was dropped to keep the bounds

A name is `<milliseconds>-<random>-<bytes>.json`, so that order, age and size are known from a listing. claims.py is the
sender's side of it.
"""

from __future__ import annotations

import os
import time

from cli_analytics import storage
from cli_analytics.storage import StorageError

MAX_EVENTS = 1_000
MAX_BYTES = 1_048_576
BLOCK_EVENTS = 50  # dropped at once, so that a full spool is not sorted for every event
LARGE_BYTES = 4_096  # our own events have some 500
CHECK_EVERY = 16  # sizes are added up for each sixteenth event and each large one, and bounded with that much room


class Spool:
    """The spool in `folder`; nothing is created before the first event."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def append(self, content: bytes) -> None:
        """Let an event wait, and drop the oldest while there are too many. Raises StorageError."""
        name = f"{time.time_ns() // 1_000_000:013d}-{os.urandom(6).hex()}-{len(content)}.json"
        try:
            self._write(name, content)
        except FileNotFoundError:
            self._create()
            self._write(name, content)
        except OSError as error:
            raise StorageError(self.folder, error) from error
        self._keep_bounds(len(content))

    def waiting(self) -> list[str]:
        """The names of the events that wait, oldest first."""
        return sorted(name for name in names(self.path("new")) if size(name))

    def peek(self) -> list[bytes]:
        """The events that wait, oldest first, left where they are."""
        contents = (storage.read(self.path("new", name)) for name in self.waiting())
        return [content for content in contents if content is not None]

    def is_empty(self) -> bool:
        """True when nothing waits and nothing is claimed."""
        return not self.waiting() and not [name for name in names(self.path("claimed")) if size(name)]

    def clear(self) -> None:
        """Delete everything. Raises StorageError."""
        for folder in ("tmp", "new", "claimed"):
            for name in names(self.path(folder)):
                storage.remove(self.path(folder, name))
        storage.remove(self.path("dropped"))

    def path(self, *parts: str) -> str:
        """A path in the spool."""
        return os.path.join(self.folder, *parts)

    def _create(self) -> None:
        for folder in ("tmp", "new", "claimed"):
            storage.make_folder(self.path(folder))

    def _write(self, name: str, content: bytes) -> None:
        draft = self.path("tmp", name)
        storage.write_new(draft, content)
        os.rename(draft, self.path("new", name))

    def _keep_bounds(self, last_size: int) -> None:
        count = len(names(self.path("new")))
        if count <= MAX_EVENTS and count % CHECK_EVERY and last_size <= LARGE_BYTES:
            return
        waiting = self.waiting()
        total = sum(map(size, waiting))
        limit = MAX_EVENTS - (BLOCK_EVENTS if count > MAX_EVENTS else 0)
        while len(waiting) > limit or total > MAX_BYTES - CHECK_EVERY * LARGE_BYTES:
            oldest = waiting.pop(0)
            total -= size(oldest)
            self.drop(oldest)

    def drop(self, name: str) -> None:
        """Drop an event that waits. Two who drop the same one count it once: only one of them can delete it."""
        try:
            os.unlink(self.path("new", name))
        except OSError:
            return
        descriptor = os.open(self.path("dropped"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)


def names(folder: str) -> list[str]:
    """What lies in a folder, nothing where there is none. Raises StorageError."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(folder, error) from error


def size(name: str) -> int:
    """The bytes of the event in the file `name`; 0 for a file that is none."""
    parts = name.split("-")
    if len(parts) != 3 or not name.endswith(".json"):
        return 0
    size = parts[2][:-5]
    return int(size) if (size + parts[0]).isdecimal() and name.isascii() else 0
