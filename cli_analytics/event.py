"""Event: what happened, on what machine. The Segment message that lies in the spool, on the wire and in the archive.

    {"type": "track", "event": "command_run", "messageId": "<uuid4>", "anonymousId": "<client id>",
     "timestamp": "2026-01-02T03:04:05.678Z", "context": {…, "ip": "0.0.0.0"}, "properties": {…}}

A page has its name in `name`; an identify has none, and its properties are `traits`. In a manifest it is the event
`identify`.

https://segment.com/docs/connections/spec/common/ . The host's process builds and encodes events and checks
nothing: that is for the gate, through which they pass before they leave.

The context is a closed list, the same for every host. Nothing in it names a machine: no host name, no address, no
locale, no kernel release. The number of processors is cut down to a power of two.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from cli_analytics import __version__, environment

Event = dict[str, Any]

OTHER = "<other>"  # stands for a name that is not in the closed list
UNKNOWN_COMMAND = "<unknown>"  # stands for a mistyped command
MAX_BYTES = 32_768  # Segment's limit for one event
IP = "0.0.0.0"  # noqa: S104  a server that finds an address here does not add the sender's
MAX_CPUS = 128  # more would single out a machine
IDENTIFY = "identify"  # the name of what has none on the wire

# Type of a message → the key of its name, none for an identify, and that of its properties.
KEYS: Mapping[str, tuple[str, str]] = {
    "track": ("event", "properties"),
    "page": ("name", "properties"),
    IDENTIFY: ("", "traits"),
}


def build(name: str, properties: Mapping[str, Any], *, client_id: str, context: Mapping[str, Any], now: float) -> Event:
    """The event `name` at `now` (seconds since the epoch)."""
    return {
        "type": "track",
        "event": name,
        "messageId": uuid4(),
        "anonymousId": client_id,
        "timestamp": timestamp(now),
        "context": context,
        "properties": properties,
    }


def context(
    tool: str, version: str, environ: Mapping[str, str], *, session_id: int, is_ephemeral: bool = False
) -> dict[str, Any]:
    """The context of an event of `tool`; all events of one run have the same `session_id`.

    `is_ephemeral` is for a client id that ends with this start of a container.
    """
    system, machine = _platform()
    return {
        "ip": IP,
        "library": {"name": "cli-analytics", "version": __version__},
        "app": {"name": tool, "version": version},
        "os": {"name": system},
        "arch": machine,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "cpus": _cpus(),
        "ci": environment.ci_vendor(environ),
        "container": environment.container(environ),
        "sessionId": session_id,
        **({"ephemeral": True} if is_ephemeral else {}),
    }


def name(event: Mapping[str, Any]) -> str:
    """The name under which a manifest declares an event; empty for what is no message of ours."""
    kind = event.get("type")
    if kind == IDENTIFY:
        return IDENTIFY
    found = event.get(KEYS[kind][0]) if isinstance(kind, str) and kind in KEYS else None
    return found if isinstance(found, str) else ""


def properties(event: Mapping[str, Any]) -> Any:
    """Its properties, whatever they are called."""
    return event.get(KEYS[event["type"]][1])


def uuid4() -> str:
    """A random UUID, version 4 (RFC 9562, section 5.4)."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def timestamp(now: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}Z"


def milliseconds(timestamp: str) -> int:
    """Such a timestamp as milliseconds since the epoch. Raises ValueError."""
    import datetime

    moment, _, rest = timestamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    whole = datetime.datetime.strptime(moment + rest[len(digits) :], "%Y-%m-%dT%H:%M:%S%z")
    return int(whole.timestamp()) * 1000 + int(f"{digits:0<3}"[:3])


def encode(value: Any) -> str:
    """`value` as compact ASCII JSON on one line. Raises TypeError for what JSON has not."""
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and value - value == 0:  # neither infinite nor not a number
        return float.__repr__(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(key)}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} is no JSON")


def _key(key: Any) -> str:
    return _quoted(key if isinstance(key, str) else str(key))


def _quoted(text: str) -> str:
    """A JSON string. Nearly all of ours are plain, and to import json costs more than all of the recording."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'  # formatted, a member of an Enum would be its name
    import json

    return json.dumps(text)


def _platform() -> tuple[str, str]:
    """Names as os.uname has them; the platform module would cost more than the rest of the run."""
    if sys.platform == "win32":
        return "Windows", os.environ.get("PROCESSOR_ARCHITECTURE", "other")
    name = os.uname()
    return name.sysname, name.machine


def _cpus() -> int:
    """The processors this process may use, cut down to a power of two."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(1 << (usable.bit_length() - 1), MAX_CPUS)
