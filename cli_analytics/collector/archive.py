"""Archive: records on disk, in the layout in which Segment writes them to S3.

    <archive>/segment-logs/<tool>/<received day>/<first receivedAt>.<random>.<seq>.gz      times in Unix milliseconds

A file is gzip over one JSON record a line. Each append is a complete gzip member (RFC 1952, section 2.2: members may
follow one another) and is on disk when it returns, so a kill loses nothing that was acknowledged and leaves at most one
torn member, at the end of a file: nothing is ever appended to a file of an earlier process or after a failed write.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import threading
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from pathlib import Path

from cli_analytics.collector.memory import Memory
from cli_analytics.collector.record import Record, encode
from cli_analytics.errors import ArchiveError

FOLDER = "segment-logs"
MAX_FILE_BYTES = 100_000_000  # Segment's own limit
LEVEL = 6  # gzip's default; 9 takes twice the time for 1 % on records

_CREATE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_synchronize = getattr(os, "fdatasync", os.fsync)  # macOS and Windows have only fsync


class Archive:
    """An archive that is written to, one file at a time for each tool. Safe to share between threads."""

    def __init__(self, root: str, *, max_file_bytes: int = MAX_FILE_BYTES, memory: Memory | None = None) -> None:
        """Creates `root`. Raises ArchiveError when files can't be created in it."""
        self._root = _writable(root)
        self._max_file_bytes = max_file_bytes
        self._memory = Memory() if memory is None else memory
        self._files: dict[str, _File] = {}
        self._random = os.urandom(4).hex()  # two processes may write to one archive
        self._sequence = count(1)
        self._lock = threading.Lock()

    def append(self, tool: str, records: Sequence[Record], received: datetime) -> int:
        """Archives the records whose messageId is new, and returns how many. On disk when it returns.

        Raises ArchiveError when they are not, and then they count as new the next time.
        """
        with self._lock:
            fresh: dict[str, Record] = {}
            for record in records:
                if record["messageId"] not in self._memory:
                    fresh.setdefault(record["messageId"], record)
            if fresh:
                self._write(tool, b"".join(map(encode, fresh.values())), received)
                self._memory.add(fresh)
            return len(fresh)

    def close(self) -> None:
        """Closes the files."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()

    def _write(self, tool: str, lines: bytes, received: datetime) -> None:
        member = gzip.compress(lines, LEVEL, mtime=0)
        try:
            self._file(tool, received, len(member)).append(member)
        except OSError as error:
            self._forget(tool)
            raise ArchiveError(f"{self._root}: can't be written: {error.strerror}") from error

    def _file(self, tool: str, received: datetime, size: int) -> _File:
        day = _milliseconds(received.replace(hour=0, minute=0, second=0, microsecond=0))
        folder = self._root / FOLDER / tool / str(day)
        file = self._files.get(tool)
        if file is None or file.folder != folder or file.size + size > self._max_file_bytes or file.is_deleted():
            self._forget(tool)
            name = f"{_milliseconds(received)}.{self._random}.{next(self._sequence)}.gz"
            self._files[tool] = file = _File(self._root, folder, name)
        return file

    def _forget(self, tool: str) -> None:
        file = self._files.pop(tool, None)
        if file is not None:
            file.close()


class _File:
    """One file of the archive, created by this process."""

    def __init__(self, root: Path, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.size = 0
        self._descriptor = os.open(folder / name, _CREATE, 0o640)
        while folder != root.parent:
            _synchronize_folder(folder)
            folder = folder.parent

    def append(self, member: bytes) -> None:
        """Writes the whole member and waits until it is on disk, or takes back what was written of it."""
        try:
            rest = memoryview(member)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            _synchronize(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(member)

    def is_deleted(self) -> bool:
        """True when the name is gone, so that what is written would be gone too."""
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Closes the file; everything in it is on disk already."""
        os.close(self._descriptor)


def _writable(root: str) -> Path:
    if "://" in root:
        raise ArchiveError(f"{root}: an archive is a folder; other places are not supported")
    try:
        folder = Path(root).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ArchiveError(f"{root}: can't be written: {error.strerror}") from error


def _synchronize_folder(folder: Path) -> None:
    """Puts the names in a folder on disk; Windows does so by itself."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
