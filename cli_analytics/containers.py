"""Containers: where the files of a run lie in one, and whether it ends with us.

    handed over by a launcher, with a spool     events wait there, and the launcher's side sends them
    a yes by variable, or handed over without   /dev/shm/cli-analytics-<uid>/<tool>/, gone when the container ends
    anything else                               as on any machine: people live in development containers

So a step of a build leaves no id in the image; a user without a name, a home or a disk that can be written needs none;
and each start of a container says once that it sends, and is counted as a start. Who mounts a volume at the ordinary
place keeps one id, and so does who was told in a container at a terminal. Imported only where somebody said yes by
variable or handed over.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli_analytics import environment

if TYPE_CHECKING:
    from cli_analytics.storage import Storage

DISK = "/"  # the container's own, of which an image may be made
MEMORY = "/dev/shm"  # noqa: S108  in every container, made anew with each start of it, and writable for everybody
NOBODYS_HOME = "/nonexistent"  # where the files of a user without a home would lie


def arrange(where: Storage, tool: str, environ: Mapping[str, str]) -> None:
    """Let the files of a `tool` that somebody said yes to lie where they belong."""
    spool = _mounted_spool(environ)
    memory = _folder() if _is_for_memory(where, environ) else ""
    if memory:
        where.lay_out(f"{memory}/{tool}", f"{memory}/{tool}")
        where.home = ""  # none is needed
    if spool:
        where.spool = spool
    where.is_ephemeral, where.is_mounted = bool(memory), bool(spool)


def _mounted_spool(environ: Mapping[str, str]) -> str:
    """The spool that a launcher has mounted, empty where there is none that can be written."""
    handed = environment.handover(environ)
    path = environ.get(environment.SPOOL, "").strip()
    if handed is None or handed[2] != "on" or not os.path.isabs(path):
        return ""
    return path if os.access(os.path.join(path, "new"), os.W_OK | os.X_OK) else ""


def _is_for_memory(where: Storage, environ: Mapping[str, str]) -> bool:
    """Whether this container's memory takes the place of its disk: not where somebody was told, or on a volume."""
    is_lived_in = os.path.lexists(where.client_id) or os.path.lexists(where.state)
    is_known_system = hasattr(os, "getuid")  # not Windows
    return is_known_system and is_deployed(environ) and not is_lived_in and not _is_on_volume(where.config)


def is_deployed(environ: Mapping[str, str]) -> bool:
    """Whether this is a container whose deployer, or whose launcher's user, said yes."""
    handed = environment.handover(environ)
    is_said = environment.says_yes(environ) if handed is None else handed[2] == "on"
    return is_said and environment.container(environ) != "none"


def memory_of(tool: str) -> str:
    """The folder of `tool` that is gone with this start of the container, empty where there is none."""
    folder = _folder() if hasattr(os, "getuid") else MEMORY
    return f"{folder}/{tool}" if os.access(MEMORY, os.W_OK | os.X_OK) and not os.path.islink(folder) else ""


def ends_with_us() -> bool:
    """Whether the container may end as soon as we do: its first process is this one or one that this one is below."""
    pid = os.getpid()
    while pid > 1:
        try:
            pid = _parent(pid)
        except (OSError, ValueError, IndexError):
            pid = 0
    return pid == 1


def _parent(pid: int) -> int:
    descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    try:
        return int(os.read(descriptor, 4096).rpartition(b")")[2].split()[1])
    finally:
        os.close(descriptor)


def _folder() -> str:
    return f"{MEMORY}/cli-analytics-{os.getuid()}"


def _is_on_volume(path: str) -> bool:
    """Whether what is at `path`, or would be, outlives the container."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    try:
        return os.stat(path).st_dev != os.stat(DISK).st_dev
    except OSError:
        return False
