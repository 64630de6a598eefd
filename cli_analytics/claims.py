"""Claims: what a sender has of the spool. Each sink has a queue, so one that fails neither blocks nor doubles another.

    spool/new/                     waiting; hosts write here
    spool/claimed/                 being handed out, which a crash may have interrupted
    spool/claimed/<sink>/          to be sent to that sink: a link of the event for each
    spool/claimed/<sink>/*.dropped   one byte for each event that was dropped and that the sink was not told of
    spool/shell-<pid>/             what a sender that is written in shell has; taken back when it is old
    spool/claimed/<sink>.part/     becomes the queue of a new sink when it is complete

Only the sender that holds the lock touches `claimed`. An event leaves `new` by a rename, which only one can do, and its
queues one by one as it is delivered; what a dead sender held is still in its queue. Nothing is sent before it is in
every queue, so doing once more what a crash interrupted doubles nothing.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence

from cli_analytics import drafts, storage
from cli_analytics.spool import BATCH_BYTES, BATCH_EVENTS, Spool, names, size
from cli_analytics.storage import StorageError

MAX_AGE_SECONDS = 7 * 24 * 3600
SHELL_SECONDS = 60  # a shell sender touches its folder with each batch, for which it has ten seconds
NOTE, PART = ".dropped", ".part"


class Claims:
    """What the one sender that holds the lock has of a spool, for the sinks whose keys are `sinks`."""

    def __init__(self, spool: Spool, sinks: Sequence[str]) -> None:
        self.spool = spool
        self.sinks = list(sinks)

    def prepare(self) -> None:
        """Make the queues, and finish what an interrupted sender has left. Raises StorageError or OSError.

        A sink without a queue is new: it gets what waits for those that are no more, of which it has got nothing.
        """
        for name in names(self._path()):
            if name.endswith(PART):
                self._remove_queue(name)
        for name in self.spool.of_shells():
            self._take_back(name)
        found = self._folders()
        old = [name for name in found if name not in self.sinks]
        for sink in self.sinks:
            if sink not in found:
                self._found_queue(sink, old)
        for name in old:
            self._remove_queue(name)
        for name in filter(_belongs, names(self._path())):
            self._hand_out(name)

    def wants(self, sink: str) -> bool:
        """Whether there is anything to send to a sink."""
        return bool(self._queue(sink) or self.spool.waiting())

    def claim(self, sink: str) -> list[tuple[str, bytes]]:
        """The next events for a sink, oldest first: name and content. Raises StorageError or OSError."""
        self.prepare()
        if not self._queue(sink):
            self._take()
        self._drop(sink, [name for name in self._queue(sink) if _is_old(name)])
        return [(name, _content(self._path(sink, name))) for name in self._queue(sink)[:BATCH_EVENTS]]

    def peek(self, sink: str) -> Iterator[tuple[list[tuple[str, bytes]], int]]:
        """What `claim` would find one time after the other, and how many events would be dropped by then; all stays."""
        found = self._folders()
        folders = [sink] if sink in found else [name for name in found if name not in self.sinks]
        paths = {name: self._path(folder, name) for folder in ("", *folders) for name in names(self._path(folder))}
        dropped = sum(_bytes_of(path) for name, path in paths.items() if name.endswith(NOTE))
        queue = sorted(filter(size, paths))
        waiting = self.spool.waiting()
        paths.update({name: self.spool.path("new", name) for name in waiting})
        notes = _bytes_of(self.spool.path("dropped"))
        while queue or waiting:
            if not queue:
                queue = _first(waiting)
                waiting = waiting[len(queue) :]
                dropped, notes = dropped + notes, 0
            young = [name for name in queue if not _is_old(name)]
            dropped += len(queue) - len(young)
            batch, queue = young[:BATCH_EVENTS], young[BATCH_EVENTS:]
            if batch:
                yield [(name, _content(paths[name])) for name in batch], dropped

    def waiting(self, sink: str) -> int:
        """How many events were not yet delivered to a sink."""
        return len({*self._queue(sink), *filter(size, names(self._path())), *self.spool.waiting()})

    def done(self, sink: str, name: str) -> None:
        """Forget an event that was delivered to a sink, or refused by it."""
        _delete(self._path(sink, name))

    def clear(self, sink: str) -> None:
        """Forget all that waits for a sink that is gone, and hand it nothing any more."""
        self.sinks.remove(sink)
        for name in names(self._path(sink)):
            self.done(sink, name)

    def dropped(self, sink: str) -> int:
        """How many events were dropped since a sink was last told."""
        return sum(_bytes_of(self._path(sink, name)) for name in names(self._path(sink)) if name.endswith(NOTE))

    def told(self, sink: str) -> None:
        """The number was delivered to a sink."""
        for name in names(self._path(sink)):
            if name.endswith(NOTE):
                self.done(sink, name)

    def _take(self) -> None:
        """Let every sink have the next events. One that fails keeps the newest of them."""
        drafts.empty_of_old(self.spool.path("tmp"))
        note = f"{time.time_ns()}{NOTE}"
        if _move(self.spool.path("dropped"), self._path(note)):
            self._hand_out(note)
        for name in _first(self.spool.waiting()):
            if _move(self.spool.path("new", name), self._path(name)):  # or it was dropped meanwhile
                self._hand_out(name)
        for sink in self.sinks:
            queue = self._queue(sink)
            newest = _first(queue[::-1])
            self._drop(sink, queue[: len(queue) - len(newest)])

    def _take_back(self, shell: str) -> None:
        """Let wait again what a shell sender has had for long, so that it was killed, maybe in another container."""
        folder = self.spool.path(shell)
        if abs(time.time() - _changed(folder)) <= SHELL_SECONDS:
            return
        note = f"{time.time_ns()}{NOTE}"
        if _move(os.path.join(folder, "dropped"), self._path(note)):
            self._hand_out(note)
        for name in names(folder):
            if size(name):
                _move(os.path.join(folder, name), self.spool.path("new", name))
            else:
                _delete(os.path.join(folder, name))
        try:
            os.rmdir(folder)
        except OSError:
            pass  # something of somebody else's is in it

    def _hand_out(self, name: str) -> None:
        """Put what lies in `claimed` into every queue.

        Linked and deleted, not renamed: to rename a file to another name that it has does nothing at all.
        """
        for sink in self.sinks:
            _link(self._path(name), self._path(sink, name))
        _delete(self._path(name))

    def _found_queue(self, sink: str, old: Sequence[str]) -> None:
        """Give a new sink a queue with what waits in those of the sinks `old`, all at once."""
        part = self._path(f"{sink}{PART}")
        storage.make_folder(part)
        for folder in old:
            for name in filter(_belongs, names(self._path(folder))):
                _link(self._path(folder, name), os.path.join(part, name))
        os.rename(part, self._path(sink))

    def _remove_queue(self, sink: str) -> None:
        for name in filter(_belongs, names(self._path(sink))):
            _delete(self._path(sink, name))
        drafts.empty_of_old(self._path(sink))
        try:
            os.rmdir(self._path(sink))
        except OSError:
            pass  # something of somebody else's is in it

    def _drop(self, sink: str, dropped: Sequence[str]) -> None:
        for name in dropped:
            self.done(sink, name)
        if dropped:
            storage.write_new(self._path(sink, f"{time.time_ns()}{NOTE}"), b"." * len(dropped))

    def _folders(self) -> list[str]:
        """The sinks that have a queue."""
        found = [name for name in names(self._path()) if not _belongs(name) and not name.endswith((PART, "-"))]
        return sorted(name for name in found if os.path.isdir(self._path(name)))

    def _queue(self, sink: str) -> list[str]:
        return sorted(name for name in names(self._path(sink)) if size(name))

    def _path(self, *parts: str) -> str:
        return self.spool.path("claimed", *parts)


def _belongs(name: str) -> bool:
    """Whether a name is that of an event or of a note."""
    return bool(size(name)) or name.endswith(NOTE)


def _is_old(name: str) -> bool:
    return time.time() - int(name.split("-")[0]) / 1000 > MAX_AGE_SECONDS


def _first(queue: Sequence[str]) -> list[str]:
    """As many of the first as a sink may hold, so that what it can't get rid of leaves room for what comes."""
    total = 0
    for count, name in enumerate(queue[:BATCH_EVENTS]):
        total += size(name)
        if count and total > BATCH_BYTES:
            return list(queue[:count])
    return list(queue[:BATCH_EVENTS])


def _content(path: str) -> bytes:
    """Nothing, which no gate lets through, where it can't be read: one bad file must not keep the others here."""
    try:
        return storage.read(path) or b""
    except StorageError:
        return b""


def _delete(path: str) -> None:
    try:
        storage.remove(path)
    except StorageError:
        _move(path, f"{path}-")  # somebody made a folder of that name; it is no event any more


def _bytes_of(path: str) -> int:
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return time.time()  # it has ended just now


def _move(source: str, target: str) -> bool:
    """True where there was something to move. Raises OSError where it can't be moved."""
    try:
        os.rename(source, target)
    except FileNotFoundError:
        return False
    return True


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        pass  # handed out before a crash
    except OSError:  # a file system without links, or what is no file
        if not os.path.lexists(target):
            storage.replace(target, _content(source))
