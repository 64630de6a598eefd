"""Gate: what may leave. Every event passes it in the sender, and once more in the collector.

What the manifest does not declare stays: an event, a property, a value, a key of the context. The context is closed
here and not in the manifest, because it is the same for every host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

from cli_analytics import detection
from cli_analytics import event as messages
from cli_analytics.errors import UndeclaredError
from cli_analytics.event import IP, Event
from cli_analytics.properties import Declaration

_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9][\w.+-]{0,39}", re.ASCII)

_COUNT = range(10**9)

# The context, closed: key → what it may hold. An inner table is a nested context; True is a key that is true or absent.
CONTEXT: Mapping[str, Any] = {
    "ip": re.compile(re.escape(IP)),
    "library": {"name": _LABEL, "version": _LABEL},
    "app": {"name": _LABEL, "version": _LABEL},
    "os": {"name": _LABEL},
    "arch": _LABEL,
    "python": re.compile(r"\d{1,2}\.\d{1,3}", re.ASCII),
    "cpus": _COUNT,
    "sessionId": range(1, 10**11),
    "ci": frozenset({*detection.CI_VENDORS.values(), "other", "none"}),
    "container": frozenset({*(kind for _, _, kind in detection.CONTAINERS), "none"}),
    "ephemeral": True,
    "dropped_events": _COUNT,
}


class Checked(NamedTuple):
    """What may leave of an event (None: nothing), and one sentence for everything that may not."""

    event: Optional[Event]
    problems: tuple[str, ...]


def check(event: Mapping[str, Any], declared: Mapping[str, Declaration]) -> Checked:
    """What may leave of `event` when `declared` is the closed list of events.

    An event that is not declared or not well-formed does not leave at all; a property or a value that is not declared
    is taken out and the rest leaves. Problems name keys, never values.
    """
    name = messages.name(event)
    if name not in declared:
        return Checked(None, ("an event that the manifest does not declare",))
    for key, form in (("messageId", _ID), ("anonymousId", _ID), ("timestamp", TIMESTAMP)):
        if not _matches(form, event.get(key)) or (form is TIMESTAMP and not _is_moment(event[key])):
            return Checked(None, (f"{name}: its {key} is not well-formed",))
    properties, problems = _clean_properties(name, messages.properties(event), declared[name])
    context = _clean_context(event.get("context"), CONTEXT)
    name_key, properties_key = messages.KEYS[event["type"]]
    kept = {key: event[key] for key in ("type", name_key, "messageId", "anonymousId", "timestamp") if key}
    return Checked({**kept, "context": {**context, "ip": IP}, properties_key: properties}, tuple(problems))


def admit(content: bytes, declared: Mapping[str, Declaration]) -> Optional[Event]:
    """What may leave of an event of the spool; None where nothing may."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return check(found, declared).event if isinstance(found, dict) else None


def checked(
    contents: Iterable[tuple[str, bytes]], declared: Mapping[str, Declaration], dropped: int
) -> dict[str, Event]:
    """The events that may leave, by name of their file. The number of those dropped before travels with the first."""
    admitted = ((name, admit(content, declared)) for name, content in contents)
    events = {name: found for name, found in admitted if found}
    if events and dropped:
        next(iter(events.values()))["context"]["dropped_events"] = dropped
    return events


def _is_moment(timestamp: str) -> bool:
    """Whether there was such a day and hour."""
    try:
        messages.milliseconds(timestamp)
    except (ValueError, OverflowError):
        return False
    return True


def _clean_properties(name: str, properties: Any, declaration: Declaration) -> tuple[dict[str, Any], list[str]]:
    cleaned: dict[str, Any] = {}
    problems = []
    for key, value in properties.items() if isinstance(properties, Mapping) else ():
        kind = declaration.properties.get(key)
        if kind is None:
            problems.append(f"{name} has a property that the manifest does not declare: {key!r}")
            continue
        try:
            cleaned[key] = kind.clean(value)
        except UndeclaredError:
            problems.append(f"{name}.{key} may only be {kind.allowed()}")
    return cleaned, problems


def _clean_context(context: Any, allowed: Mapping[str, Any]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for key, form in allowed.items():
        value = context.get(key) if isinstance(context, Mapping) else None
        if isinstance(form, Mapping):
            inner = _clean_context(value, form)
            if inner:
                cleaned[key] = inner
        elif _matches(form, value):
            cleaned[key] = value
    return cleaned


def _matches(form: Any, value: Any) -> bool:
    if form is True:
        return value is True
    if isinstance(form, range):
        return isinstance(value, int) and not isinstance(value, bool) and value in form
    if not isinstance(value, str):
        return False
    return value in form if isinstance(form, frozenset) else form.fullmatch(value) is not None
