"""Sender: starts the detached process that drains the spool. The process itself is drain.py.

The lock decides: whoever gets it starts a sender and hands it the locked descriptor, so there is no moment at which two
can be alive, and the kernel releases it however the sender ends. A living sender also touches the lock's file, so that
most runs need one look at its time and none of this. A killed one may seem alive for two seconds more; what was left in
that time waits for the next run.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from cli_analytics import breaker, storage
from cli_analytics.storage import Storage

PATH_VARIABLE = "CLI_ANALYTICS_PATH"  # how the sender finds this package: the host's own sys.path
LOCK_DESCRIPTOR = 3

# Isolated from the user's directory and PYTHON* variables. Where the host finds packages comes after where Python
# itself does: a script beside the host, or in the directory it was started from, may be called requests.py. It ends at
# once when it has let go of the lock, for the next one may start then.
_BOOT = (
    f"import os,sys;sys.path+=os.environ.pop('{PATH_VARIABLE}').split(os.pathsep);"
    "from cli_analytics.drain import main;main(sys.argv[1:]);os._exit(0)"
)

# A shell that starts the sender, adds its number to the lock's file and ends: the sender is then nobody's child, so
# a host that lives long has no zombie and a host that waits for its children never meets one of ours.
_ORPHAN = ("/bin/sh", "-c", f'"$@" & echo $! >&{LOCK_DESCRIPTOR}; exit 0', "cli-analytics")

_REAPED_SECONDS = 5  # what has ended for longer, and is still in the list of processes, stays in it
_ZOMBIE_SECONDS = 24 * 3600


def start_if_due(where: Storage, *, manifest: str, version: str, environ: Mapping[str, str]) -> bool:
    """Start a sender for the host of `manifest`, unless it is too early or one is alive. True if one is.

    Raises StorageError or OSError.
    """
    if not breaker.read(where).due(version) or getattr(sys, "frozen", False) or not sys.executable:
        return False
    lock = storage.lock(where.sender_lock)
    if lock is None:
        return True
    try:
        if _would_stay_behind(lock):
            return False
        os.utime(where.sender_lock)  # from here on it seems alive, which spares others the look at the lock
        _start([sys.executable, "-I", "-c", _BOOT, manifest, version], environ, lock)
    finally:
        os.close(lock)
    return True


def is_alive(where: Storage) -> bool:
    """Whether a sender is alive, by the lock that it holds. Raises StorageError."""
    lock = storage.lock(where.sender_lock)
    if lock is None:
        return True
    os.close(lock)
    return False


def _would_stay_behind(lock: int) -> bool:
    """Whether nobody waits for senders that have ended, as in a container whose first process waits for its own only.

    Each would then stay behind as a zombie, so after the second there is but one a day. Time has to pass between the
    two: some first processes look only every few seconds.
    """
    older, started, newer = _last_two(lock)
    are_dead = [_is_zombie(older), _is_zombie(newer)]
    return all(are_dead) and _REAPED_SECONDS < time.time() - started < _ZOMBIE_SECONDS


def _last_two(lock: int) -> tuple[int, ...]:
    """The number of the last sender but one, when the last one was started, and its number; zeros if not known."""
    try:
        os.lseek(lock, 0, os.SEEK_SET)
        older, started, newer = os.read(lock, 80).split()
        return int(older), int(started), int(newer)
    except (OSError, ValueError):
        return 0, 0, 0


def _is_zombie(pid: int) -> bool:
    """Whether the sender `pid` has ended and its parent did not wait for it. Where that is us, we do now.

    A child of the host's that has the same number by chance is in the host's session.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
        if state != b"Z" or int(session) == os.getsid(0):
            return False
        return int(parent) != os.getpid() or os.waitpid(pid, os.WNOHANG)[0] != pid
    except (OSError, ValueError):
        return False  # it is no more, or this system can't tell


def _remember_start(lock: int) -> None:
    """What `_last_two` reads next time, but for the number of the sender, which is not known yet."""
    newer = _last_two(lock)[-1]
    try:
        os.ftruncate(lock, 0)
        os.lseek(lock, 0, os.SEEK_SET)
        os.write(lock, b"%d %d " % (newer, time.time()))
    except OSError:
        pass  # the disk is full


def _start(command: list[str], environ: Mapping[str, str], lock: int) -> None:
    environment = {**environ, PATH_VARIABLE: os.pathsep.join(path for path in sys.path if os.path.isabs(path))}
    if sys.platform == "win32":
        _start_on_windows(command, environment)
    else:
        _spawn_orphan(command, environment, lock)


def _spawn_orphan(command: list[str], environment: Mapping[str, str], lock: int) -> None:
    import fcntl

    actions: list[Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    # In a host whose stdio is closed the lock may be one of these, or LOCK_DESCRIPTOR, which would close in the child.
    source = fcntl.fcntl(lock, fcntl.F_DUPFD_CLOEXEC, LOCK_DESCRIPTOR + 1)
    actions += [(os.POSIX_SPAWN_DUP2, source, LOCK_DESCRIPTOR)]
    actions += [(os.POSIX_SPAWN_CLOSE, number) for number in _inheritable() if number > LOCK_DESCRIPTOR]
    orphan = _ORPHAN if os.access(_ORPHAN[0], os.X_OK) else ()
    _remember_start(lock)
    # A handler of the host's that waits for any child is called when there is none of ours any more. A host that never
    # imported signal, which costs 0.5 ms, has no handler.
    signal: Any = sys.modules.get("signal")
    blocked = signal and signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        pid = _spawn([*orphan, *command], environment, actions)
        if orphan:
            os.waitpid(pid, 0)
        else:
            os.write(lock, b"%d\n" % pid)
    except ChildProcessError:
        pass  # the host ignores SIGCHLD, or one of its threads was quicker
    finally:
        os.close(source)
        if signal:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _spawn(command: list[str], environment: Mapping[str, str], actions: list[Any]) -> int:
    try:
        return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True, setsigmask=())
    except NotImplementedError:  # a system whose posix_spawn knows no sessions; the sender then opens its own
        return os.posix_spawn(command[0], command, environment, file_actions=actions, setsigmask=())


def _inheritable() -> list[int]:
    """The descriptors that a child would inherit, a caller's pipe among them, which must not be held open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            numbers = [int(name) for name in os.listdir(folder)]
        except (OSError, ValueError):
            continue
        return [number for number in numbers if number > 2 and _is_inheritable(number)]
    return []


def _is_inheritable(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False  # the listing's own descriptor


def _start_on_windows(command: list[str], environment: Mapping[str, str]) -> None:
    import subprocess

    subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=True,
        # DETACHED_PROCESS would let its children open a console.
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
