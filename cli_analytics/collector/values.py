"""Values: text that was a value, turned back into one by the kind that the manifest declares.

    Boolean          "true", "1", 1             True
    Integer          "12", 12.0                 12
    Bucket           "120"                      120, of which the gate makes the range; a range stays
    OptionNames      "--format,-v"              ["--format", "-v"]

Every other kind is text anyway. What can't be turned back stays as it is, and does not get through the gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cli_analytics import event as messages
from cli_analytics.event import Event
from cli_analytics.properties import Boolean, Bucket, Declaration, Integer, Kind, OptionNames

_WHOLE = re.compile(r"-?\d{1,16}", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def restored(event: Event, declared: Mapping[str, Declaration]) -> Event:
    """`event` with its properties as values of the declared kinds."""
    declaration = declared.get(messages.name(event))
    if declaration is None:
        return event
    kinds = declaration.properties
    texts = messages.properties(event).items()
    values = {key: value(text, kinds[key]) if key in kinds else text for key, text in texts}
    return {**event, messages.KEYS[event["type"]][1]: values}


def value(text: Any, kind: Kind) -> Any:
    """What `text` stands for."""
    if isinstance(kind, Boolean):
        found = boolean(text)
        return text if found is None else found
    if isinstance(kind, (Integer, Bucket)):
        number = whole(text)
        return text if number is None else number
    if isinstance(kind, OptionNames) and isinstance(text, str):
        return [name for name in text.split(",") if name]
    return text


def boolean(text: Any) -> bool | None:
    """The truth value that `text` is or stands for."""
    return _BOOLEANS.get(str(text).lower())


def whole(text: Any) -> int | None:
    """The whole number that `text` is or stands for."""
    if isinstance(text, bool):
        return None
    if isinstance(text, int):
        return text
    if isinstance(text, float):
        return int(text) if text.is_integer() else None
    return int(text) if isinstance(text, str) and _WHOLE.fullmatch(text) else None
