"""Identity: which installation? A random UUID of the installation, never of a person or a machine.

It exists from the first recording on. `reset` and `off` delete it, and the next one has nothing in common with it.
"""

from __future__ import annotations

from cli_analytics import event, storage
from cli_analytics.storage import Storage, StorageError

PLACEHOLDER = "00000000-0000-4000-8000-000000000000"


def create(where: Storage) -> str:
    """A new client id, or the one that somebody else was quicker to create. Raises StorageError."""
    return _valid(where, storage.create_once(where.client_id, f"{event.uuid4()}\n".encode()))


def shown(where: Storage) -> str:
    """The client id to show in an event that is not recorded: zeros where there is none yet. Raises StorageError."""
    return known(where) or PLACEHOLDER


def known(where: Storage) -> str:
    """The client id, or nothing where there is none yet. Raises StorageError."""
    found = storage.read(where.client_id)
    return "" if found is None else _valid(where, found)


def forget(where: Storage) -> None:
    """Delete the client id. Raises StorageError."""
    storage.remove(where.client_id)


def _valid(where: Storage, content: bytes) -> str:
    text = content.decode("ascii", "replace").strip()
    if [len(part) for part in text.split("-")] != [8, 4, 4, 4, 12] or text.strip("-0123456789abcdef"):
        raise StorageError(where.client_id, "is no client id")
    return text
