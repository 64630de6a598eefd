"""Identity: which installation? A random UUID of the installation, never of a person or a machine.

It exists from the first recording on. `reset` and `off` delete it, and the next one has nothing in common with it; so
does the sender when it is older than the manifest wants it to be. Its age is that of its file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from cli_analytics import drafts, environment, event, storage
from cli_analytics.storage import Storage, StorageError

PLACEHOLDER = "00000000-0000-4000-8000-000000000000"


def create(where: Storage) -> str:
    """A new client id, or the one that somebody else was quicker to create. Raises StorageError."""
    return _valid(where, drafts.create_once(where.client_id, f"{event.uuid4()}\n".encode()))


def shown(where: Storage, environ: Mapping[str, str]) -> str:
    """The client id to show in an event that is not recorded: zeros where there is none yet. Raises StorageError."""
    handed = environment.handover(environ)
    return (handed[0] if handed else known(where)) or PLACEHOLDER


def known(where: Storage) -> str:
    """The client id, or nothing where there is none yet. Raises StorageError."""
    found = storage.read(where.client_id)
    return "" if found is None else _valid(where, found)


def forget(where: Storage) -> None:
    """Delete the client id. Raises StorageError."""
    drafts.erase(where.client_id)


def expire(where: Storage, days: int) -> None:
    """Delete the client id if it is older than `days`, as far as that goes; 0 days: it never is."""
    try:
        if days and time.time() - os.stat(where.client_id).st_mtime > days * 24 * 3600:
            os.unlink(where.client_id)
    except OSError:
        pass  # there is none, or it stays until the next sending


def _valid(where: Storage, content: bytes) -> str:
    text = content.decode("ascii", "replace").strip()
    if not environment.is_client_id(text):
        raise StorageError(where.client_id, "is no client id")
    return text
