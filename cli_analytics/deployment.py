"""Deployment: what is different for a run whose deployer said yes by variable, or whose launcher handed over.

Nobody saw a notice there, so one line on stderr says once a start of the container that it sends. What a launcher's
side sends must be as it may leave, for that side may be a shell, which can't mend it. And a container that may end with
this run leaves no time to a sender, so the run flushes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli_analytics import consent, containers, environment, event, first_run, gate, manifest, storage
from cli_analytics.errors import UndeclaredError
from cli_analytics.event import Event

if TYPE_CHECKING:
    from cli_analytics.host import Host
    from cli_analytics.storage import Storage

TOLD = "told"  # a file that is there once the line was said


def announce(host: Host, where: Storage) -> None:
    """Say so once a start of the container, but not to who saw a notice, as a launcher's user did.

    Raises OSError or StorageError where nobody can know whether it was said: then this run records nothing.
    """
    if environment.handover(host.environ) is not None or not containers.is_deployed(host.environ):
        return
    kept = consent.read_stamp(where)
    is_told = kept is not None and kept.told != consent.NOBODY
    if not is_told and _is_first_of_start(containers.memory_of(host.tool) or where.state):
        host.print_line(first_run.deployers_line(host))


def _is_first_of_start(folder: str) -> bool:
    """Whether nobody has asked this of the folder before. Raises OSError or StorageError where nobody can know."""
    told = os.path.join(folder, TOLD)
    if os.path.exists(told):
        return False
    storage.make_folder(folder)
    is_first = True
    try:
        storage.write_new(told, b"")
    except FileExistsError:
        is_first = False  # somebody was quicker
    return is_first


def admitted(host: Host, built: Event) -> Event:
    """What may leave of an event. Raises UndeclaredError or ManifestError."""
    found = gate.check(built, manifest.load(host.manifest).events).event
    if found is None:
        raise UndeclaredError(f"{event.name(built)} is not declared")
    return found


def has_to_flush(host: Host) -> bool:
    """Whether a sender that this run starts may be killed with the container as soon as the run ends."""
    return containers.is_deployed(host.environ) and containers.ends_with_us()
