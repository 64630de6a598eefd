"""Audit: runs a script, and says on standard output, after all else, what it did that an "off" forbids.

    python audit.py <script> <arguments>      → …output of the script… {"acts": […], "threads": 1, "modules": […]}

Reading is no act. Files are opened for writing, folders made, processes and threads started, sockets and locks used.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
STARTS = ("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen")
THREADS = ("_thread.start",)
SOCKETS = ("socket.",)
_CHANGES = (
    *("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate", "os.utime"),
    *("os.chmod", "os.chown", "fcntl.", "tempfile.", "shutil.", "syslog."),
)


class Audited(NamedTuple):
    """What a run did, how many threads it had at its end, and what it had imported."""

    acts: list[str]
    threads: int
    modules: set[str]
    stdout: str

    def of(self, kinds: tuple[str, ...]) -> list[str]:
        return [act for act in self.acts if act.startswith(kinds)]


def command(script: Path, *arguments: str) -> list[str]:
    """The command that runs the script and watches it."""
    return [sys.executable, "-B", str(Path(__file__)), str(script), *arguments]


def result(stdout: str) -> Audited:
    """What the watched script did, from what it printed."""
    printed, _, found = stdout.rpartition("\n")
    document = json.loads(found)
    return Audited(document["acts"], document["threads"], set(document["modules"]), printed)


def run(script: Path, *arguments: str, environ: dict[str, str]) -> Audited:
    """Run the script without a terminal and watch it."""
    done = subprocess.run(
        command(script, *arguments), env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return result(done.stdout)


def _main() -> None:
    acts: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if isinstance(arguments[2], int) and arguments[2] & _WRITES:
                acts.append(f"open {arguments[0]}")
        elif event.startswith((*STARTS, *THREADS, *SOCKETS, *_CHANGES)):
            acts.append(" ".join([event, *map(str, arguments[:1])]))

    del sys.argv[0]
    sys.path[0] = os.path.dirname(sys.argv[0])
    atexit.register(_report, acts)  # first to be registered, so the last to run
    sys.addaudithook(watch)
    runpy.run_path(sys.argv[0], run_name="__main__")


def _report(acts: list[str]) -> None:
    seen, threads = list(acts), _threads()
    sys.stdout.flush()
    os.write(1, f"\n{json.dumps({'acts': seen, 'threads': threads, 'modules': sorted(sys.modules)})}".encode())


def _threads() -> int:
    return len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 1


if __name__ == "__main__":
    _main()
