"""Log: what was sent, byte for byte. One JSON document a request, in sent.ndjson, for the user to read.

    {"sent_at": "…", "to": "https://…/v1/batch", "status": 200, "delivery": "DELIVERED", "events": 3, "bytes": 604,
     "body": "{…}", "sent": {"requests": 7, "events": 31, "bytes": 5804}}

`body` is the text that was sent, as a string, so that not a byte of it is lost; `bytes` is what went over the wire.
`sent` is all that was delivered so far. The oldest go when the file grows over its bound, which leaves that sum.
"""

from __future__ import annotations

import json
from typing import Any

from cli_analytics import drafts, storage
from cli_analytics.storage import Storage

MAX_BYTES = 262_144
NOTHING = {"requests": 0, "events": 0, "bytes": 0}


def append(where: Storage, entry: dict[str, Any]) -> None:
    """Add one entry. Only the sender that holds the lock does this. Raises StorageError."""
    sent = totals(read(where))
    if entry.get("delivery") == "DELIVERED":
        sent = {key: sent[key] + new for key, new in {**NOTHING, **entry, "requests": 1}.items() if key in NOTHING}
    lines = [*(storage.read(where.log) or b"").splitlines(), json.dumps({**entry, "sent": sent}).encode()]
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


def totals(entries: list[dict[str, Any]]) -> dict[str, int]:
    """All that was delivered since the log began: requests, events and bytes."""
    kept = entries[-1].get("sent") if entries else None
    if not isinstance(kept, dict):
        return dict(NOTHING)
    return {key: found if isinstance(found := kept.get(key), int) else 0 for key in NOTHING}


def clear(where: Storage) -> None:
    """Delete the log. Raises StorageError."""
    drafts.erase(where.log)
