"""Spool: where do events wait? A maildir: one file an event.

    spool/tmp/       being written
    spool/new/       waiting; renamed here when whole
    spool/claimed/   in the hands of a sender, with a folder for each sink
    spool/shell-*/   in the hands of a sender that is written in shell
    spool/dropped    one byte for each event that was dropped to keep the bounds

A name is `<milliseconds>-<random>-<bytes>.json`, so that order, age and size are known from a listing. claims.py is the
sender's side of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

from cli_analytics import storage
from cli_analytics.storage import StorageError

MAX_EVENTS = 1_000
MAX_BYTES = 1_048_576
BATCH_EVENTS = 500  # a sender holds that many at most for a sink, and half of the bytes
BATCH_BYTES = MAX_BYTES // 2
BLOCK_EVENTS = 50  # dropped at once, so that a full spool is not sorted for every event
LARGE_BYTES = 4_096  # our own events have some 500
SHELL = "shell-"  # begins the name of a shell sender's folder
CHECK_EVERY = 16  # sizes are added up for each sixteenth event and each large one, and bounded with that much room


class Spool:
    """The spool in `folder`; nothing is created before the first event."""

    def __init__(self, folder: str, *, is_mounted: bool = False) -> None:
        self.folder = folder
        self.is_mounted = is_mounted  # by a launcher, for whose user others write here, and nothing is sent from here

    def append(self, content: bytes) -> None:
        """Let an event wait, and drop the oldest while there are too many. Raises StorageError."""
        self._make_room(len(content))
        name = f"{time.time_ns() // 1_000_000:013d}-{os.urandom(6).hex()}-{len(content)}.json"
        try:
            try:
                self._write(name, content)
            except FileNotFoundError:
                self._create()
                self._write(name, content)
        except OSError as error:
            raise StorageError(self.folder, error) from error

    def waiting(self) -> list[str]:
        """The names of the events that wait, oldest first."""
        return sorted(name for name in names(self.path("new")) if size(name))

    def held(self) -> dict[str, str]:
        """The events that a sender has and has not yet delivered to every sink: name and the folder of one of them."""
        claimed = self.path("claimed")
        found = [] if self.is_mounted else names(claimed)
        folders = [os.path.join(claimed, name) for name in found if not size(name)]
        held = {name: claimed for name in found if size(name)}
        return {**held, **{name: folder for folder in folders for name in names(folder) if size(name)}}

    def peek(self) -> list[bytes]:
        """The events that were not yet delivered everywhere, oldest first, left where they are."""
        folders = {**self.held(), **dict.fromkeys(self.waiting(), self.path("new"))}
        contents = (storage.read(os.path.join(folder, name)) for name, folder in sorted(folders.items()))
        return [content for content in contents if content is not None]

    def is_empty(self) -> bool:
        """True when nothing waits and nothing is claimed."""
        return not self.waiting() and not self.held()

    def clear(self) -> None:
        """Delete everything, as far as that goes. Raises StorageError for what is left."""
        try:
            storage.remove(self.path("dropped"))
        finally:
            _try_each(("tmp", "new", "claimed", *self.of_shells()), self._empty)

    def of_shells(self) -> list[str]:
        """The folders of senders that are written in shell."""
        return [name for name in names(self.folder) if name.startswith(SHELL) and not os.path.islink(self.path(name))]

    def path(self, *parts: str) -> str:
        """A path in the spool."""
        return os.path.join(self.folder, *parts)

    def _create(self) -> None:
        for folder in ("claimed", "new", "tmp"):  # the one that is written to first is the last, so all are there
            storage.make_folder(self.path(folder))

    def _empty(self, folder: str) -> None:
        paths = [self.path(folder, name) for name in names(self.path(folder))]
        _try_each(paths, _remove_queue if folder == "claimed" else storage.remove)

    def _write(self, name: str, content: bytes) -> None:
        draft = self.path("tmp", name)
        storage.write_new(draft, content, 0o644 if self.is_mounted else 0o600)
        try:
            os.rename(draft, self.path("new", name))
        except OSError:
            os.unlink(draft)
            raise

    def _make_room(self, next_size: int) -> None:
        """Drop the oldest where one more would be too many. What a sender holds counts too: it may come back."""
        count = len(names(self.path("new")))
        most = MAX_EVENTS - (self._held() if count >= MAX_EVENTS - BATCH_EVENTS else 0)
        if count < most and (count + 1) % CHECK_EVERY and next_size <= LARGE_BYTES:
            return
        waiting = sorted((name, length) for name in names(self.path("new")) if (length := size(name)))
        total = next_size + sum(length for _, length in waiting) + min(sum(map(size, self.held())), BATCH_BYTES)
        limit = most - (BLOCK_EVENTS if count >= most else 1)
        while waiting and (len(waiting) > limit or total > MAX_BYTES - CHECK_EVERY * LARGE_BYTES):
            oldest, length = waiting.pop(0)
            total -= length
            self.drop(oldest)

    def _held(self) -> int:
        """How many events a sender has at most; of several sinks that fail each may have others."""
        queues = () if self.is_mounted else (names(self.path("claimed", name)) for name in names(self.path("claimed")))
        return min(max(map(len, queues), default=0), BATCH_EVENTS)

    def drop(self, name: str) -> None:
        """Drop an event that waits. Two who drop the same one count it once: only one of them can delete it."""
        try:
            os.unlink(self.path("new", name))
            descriptor = storage.open_own(self.path("dropped"), os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, b".")
            finally:
                os.close(descriptor)
        except OSError:
            pass  # somebody else was quicker, or there is no room to count it


def _try_each(items: Iterable[str], act: Callable[[str], None]) -> None:
    """Do it with each of them before the first that failed is told of. Raises StorageError."""
    problems = []
    for item in items:
        try:
            act(item)
        except StorageError as error:
            problems.append(error)
    if problems:
        raise problems[0]


def _remove_queue(path: str) -> None:
    """A file, or the folder of a sink's queue, which may be in use and then stays. Raises StorageError."""
    if not os.path.isdir(path) or os.path.islink(path):
        storage.remove(path)
        return
    _try_each([os.path.join(path, name) for name in names(path)], storage.remove)
    try:
        os.rmdir(path)
    except OSError as error:
        raise StorageError(path, error) from error


def names(folder: str) -> list[str]:
    """What lies in a folder, nothing where there is none. Raises StorageError."""
    try:
        return (
            [] if os.path.islink(folder) else os.listdir(folder)
        )  # a container, which may write here, links elsewhere
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
