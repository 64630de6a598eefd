"""Record: an event as it lies in the archive. Segment's raw record: the message and what the server knows of it.

The client's own `timestamp` becomes `originalTimestamp`, and `timestamp` is corrected for a clock that is wrong:

    timestamp = receivedAt - (sentAt - originalTimestamp)

https://segment.com/docs/connections/spec/common/#timestamps . Columns are in the order of their names, and the same for
every message of a type: a track has `event` and `properties`, a page `name` and `properties`, an identify `traits`.
What was sent as `userId` names a person and has no place here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from cli_analytics.event import KEYS, Event

Record = dict[str, Any]

VERSION = 2  # of Segment's record
MAX_TIME = 40  # characters; what is said once for a batch is archived with each of its events

_KEY = re.compile(r"[\w.:+/=-]{1,100}")


def build(checked: Event, sent: Mapping[str, Any], tool: str, received: datetime) -> Record:
    """The record of an event that passed the gate; `sent` is the event as it came, for what only servers use."""
    original, sent_at = checked["timestamp"], sent.get("sentAt")
    happened = _corrected(moment(original), moment(sent_at), received)
    return _record(checked, sent, tool, received, original, iso(happened))


def rebuild(checked: Event, archived: Mapping[str, Any], tool: str, received: datetime) -> Record:
    """The record of one that was archived elsewhere and passed the gate: as it was, but received now."""
    original = archived.get("originalTimestamp")
    timestamp = checked["timestamp"]
    return _record(checked, archived, tool, received, original if moment(original) else timestamp, timestamp)


def _record(
    checked: Event, sent: Mapping[str, Any], tool: str, received: datetime, original: Any, happened: str
) -> Record:
    name, properties = KEYS[checked["type"]]
    columns = {
        "anonymousId": checked["anonymousId"],
        "channel": "server",
        "context": checked["context"],
        **({name: checked[name]} if name else {}),
        "integrations": _integrations(sent.get("integrations")),
        "messageId": checked["messageId"],
        "originalTimestamp": original,
        "projectId": tool,
        properties: checked[properties],
        "receivedAt": iso(received),
        "sentAt": sent["sentAt"] if moment(sent.get("sentAt")) else None,
        "timestamp": happened,
        "type": checked["type"],
        "userId": None,
        "version": VERSION,
        "writeKey": key(sent.get("writeKey")),
    }
    return dict(sorted(columns.items()))


def encode(record: Record) -> bytes:
    """The record as one line of JSON."""
    return msgspec.json.encode(record) + b"\n"


def iso(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment(value: Any) -> datetime | None:
    """The time in an RFC 3339 text, in UTC, or None for anything else."""
    if not isinstance(value, str) or len(value) > MAX_TIME:
        return None
    try:
        parsed = msgspec.convert(value, datetime)
        return parsed.astimezone(timezone.utc) if parsed.tzinfo else None
    except (msgspec.ValidationError, OverflowError):
        return None


def key(value: Any) -> str | None:
    """`value` where it may be the key of a source, else None."""
    return value if isinstance(value, str) and _KEY.fullmatch(value) else None


def _corrected(original: datetime | None, sent_at: datetime | None, received: datetime) -> datetime:
    if original is None:
        return received
    try:
        return received - (sent_at - original) if sent_at else original
    except OverflowError:  # a clock that is wrong by millennia
        return received


def _integrations(value: Any) -> dict[str, bool]:
    """The one switch that every source may have; the names of others would be free text."""
    every = value.get("All") if isinstance(value, dict) else None
    return {"All": every} if isinstance(every, bool) else {}
