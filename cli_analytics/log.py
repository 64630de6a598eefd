"""Log: what was sent, byte for byte. One JSON document a request, in sent.ndjson, for the user to read.

    {"sent_at": "…", "to": "https://…/v1/batch", "status": 200, "delivery": "DELIVERED", "events": 3, "body": "{…}"}

`body` is the text that was sent, as a string, so that not a byte of it is lost. The oldest go when the file grows over
its bound.
"""

from __future__ import annotations

import json
from typing import Any

from cli_analytics import storage
from cli_analytics.storage import Storage

MAX_BYTES = 262_144


def append(where: Storage, entry: dict[str, Any]) -> None:
    """Add one entry. Only the sender that holds the lock does this. Raises StorageError."""
    lines = [*(storage.read(where.log) or b"").splitlines(), json.dumps(entry).encode()]
    while len(lines) > 1 and sum(map(len, lines)) > MAX_BYTES:
        lines.pop(0)
    storage.replace(where.log, b"\n".join(lines) + b"\n")


def read(where: Storage) -> list[dict[str, Any]]:
    """All entries, oldest first. Raises StorageError."""
    entries = []
    for line in (storage.read(where.log) or b"").splitlines():
        try:
            entries.append(json.loads(line))
        except (ValueError, RecursionError):
            continue  # half a line of a full disk
    return [entry for entry in entries if isinstance(entry, dict)]


def clear(where: Storage) -> None:
    """Delete the log. Raises StorageError."""
    storage.remove(where.log)
