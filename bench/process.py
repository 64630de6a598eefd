"""Process: run one program as a whole process and time it; find and end what it left behind. Linux only (/proc)."""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

POLL_SECONDS = 0.01
SCALE = Path(__file__).with_name("scale.py")


class Run(NamedTuple):
    """One run. CPU is the process's own and that of children it waited for; `terminal` is what it said there.

    `peak_mib` is the most memory that was resident, 0 where the run was not weighed.
    """

    wall_ms: float
    cpu_ms: float
    status: int
    capped: bool
    terminal: str
    peak_mib: float = 0.0


def take_priority() -> bool:
    """Let this process, and all that it starts from now on, run before everybody else's. False where that is forbidden.

    On a machine that others use too this alone keeps them out of the figures: a host then runs when it can, as it would
    on an idle machine. The kernel leaves the others a twentieth of the time at least.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """For work whose time does not matter: others may have the machine meanwhile."""
    policy = os.sched_getscheduler(0)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, os.sched_param(1 if policy == os.SCHED_FIFO else 0))


def run(command: list[str], environ: Mapping[str, str], *, terminal: bool, cap_seconds: float) -> Run:
    """Run a command from posix_spawn to wait4, stdio on the null device, stderr on a terminal if asked for."""
    master, slave = os.openpty() if terminal else (-1, -1)
    actions: list[Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, slave, 2)] if terminal else []
    try:
        started = time.perf_counter()
        pid = os.posix_spawn(command[0], command, environ, file_actions=actions)
        cap = threading.Timer(cap_seconds, os.kill, (pid, signal.SIGKILL))
        cap.start()
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - started
        cap.cancel()
        said = _read(master) if terminal else ""
    finally:
        for descriptor in (master, slave):
            if descriptor >= 0:
                os.close(descriptor)
    code = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall * 1000, cpu * 1000, code, code == -signal.SIGKILL and wall >= cap_seconds, said)


def weigh(command: list[str], environ: Mapping[str, str], *, terminal: bool, cap_seconds: float) -> Run:
    """Run a command, and know the peak of its memory; its wall time is not its own."""
    with tempfile.NamedTemporaryFile() as file:
        scale = [sys.executable, "-I", "-S", str(SCALE), file.name]
        found = run([*scale, *command], environ, terminal=terminal, cap_seconds=cap_seconds)
        return found._replace(peak_mib=int(file.read() or 0) / 1024)


def memory_mib(pid: int, key: str) -> float:
    """What the kernel says of a living process: VmHWM is the peak, VmRSS what it holds now. 0 of one that has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            found = next((line for line in file if line.startswith(f"{key}:")), "")
    except OSError:
        return 0.0
    return int(found.split()[1]) / 1024 if found else 0.0


def living(home: str) -> set[int]:
    """The processes that were started with this HOME, which no others have: it is a temporary folder of the bench."""
    mark = f"HOME={home}".encode()
    return {int(name) for name in os.listdir("/proc") if name.isdigit() and mark in _environ_of(name)}


def end(home: str) -> None:
    """End what was left behind with this HOME."""
    for pid in living(home):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    wait_until(lambda: not living(home), seconds=5)


def wait_until(reached: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for a state, at most so long. True if it was reached."""
    ends = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > ends:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _environ_of(pid: str) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []  # it has ended, or is somebody else's


def _read(master: int) -> str:
    """What waits to be read of a terminal."""
    parts = []
    while select.select([master], [], [], 0)[0]:
        parts.append(os.read(master, 65536))
    return b"".join(parts).decode(errors="replace")
