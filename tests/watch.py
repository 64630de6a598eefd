"""Watch: what a process did, what lies in a folder, and which processes are alive."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

PATIENCE_SECONDS = 20.0  # for what should take a fraction of a second, on a machine that is busy

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at processes through /proc")


def until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS, *, must: bool = True) -> bool:
    """Wait until `condition` holds; fail, or say False, where it doesn't within `seconds`."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            assert not must, f"waited {seconds} s in vain"
            return False
        time.sleep(0.02)
    return True


def listing(*folders: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below the folders: kind, mode, owner, time and content."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in _everything(folders):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (oct(status.st_mode), status.st_uid, status.st_mtime_ns, content)
    return found


def _everything(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in (folder, *folder.rglob("*")) if "__pycache__" not in path.parts)


def processes_at(home: Path) -> list[int]:
    """The processes whose home is `home`, without those that have ended and wait for their parent."""
    mark = f"HOME={home}".encode()
    return [pid for pid in _pids() if mark in _proc(pid, "environ").split(b"\0")]


def command_line(pid: int, argument: Optional[int] = None) -> str:
    """The command line of a process, or one argument of it."""
    words = _proc(pid, "cmdline").decode(errors="replace").split("\0")
    return " ".join(words) if argument is None else "".join(words[argument : argument + 1])


def process_status(pid: int) -> dict[str, int]:
    """Parent and session of a process, by the fields of /proc/<pid>/stat."""
    fields = _proc(pid, "stat").decode().rpartition(")")[2].split()
    return {"parent": int(fields[1]), "session": int(fields[3])} if fields else {}


def children_of(parent: int) -> list[int]:
    """The processes whose parent is `parent`, zombies included."""
    return [pid for pid in _pids() if process_status(pid).get("parent") == parent]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # it has just ended, or is somebody else's
