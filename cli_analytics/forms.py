"""Forms: the events that may leave as they are, as extended regular expressions, which `grep -E` knows everywhere.

They are the gate of a sender that is written in shell. It can't mend an event as gate.py does: what has not got one of
these forms stays where it is, for a sender that can. How often a list may go on is not counted, for grep would need a
tenth of a second to prepare for that.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli_analytics import event, gate, properties
from cli_analytics.properties import Boolean, Bucket, Declaration, Integer, Kind, OneOf, Version


def of_events(declared: Mapping[str, Declaration]) -> Iterator[tuple[str, str]]:
    """Each event that may leave: the form of its beginning and of its end. What `middle` says is between them."""
    for name, item in declared.items():
        found = "|".join(f'"{key}":{_of_kind(kind)}' for key, kind in item.properties.items())
        yield f'\\{{"type":"track","event":"{name}",', f',"properties":{_table(found)}\\}}'


def middle() -> str:
    """The form of what all events have in common."""
    context = "|".join(f'"{key}":{_of_context(form)}' for key, form in gate.CONTEXT.items() if key != "ip")
    uuid = re.compile("[0-9a-f-]{36}")  # which all of ours are
    keys = {"messageId": uuid, "anonymousId": uuid, "timestamp": gate.TIMESTAMP}
    return (
        "".join(f'"{key}":{_of_context(form)},' for key, form in keys.items())
        + f'"context":\\{{"ip":"{re.escape(event.IP)}"(,({context}))*\\}}'
    )


def _table(members: str) -> str:
    return f"\\{{(({members})(,({members}))*)?\\}}" if members else "\\{\\}"


def _of_context(form: Any) -> str:
    """The JSON that the gate lets pass in the context, as an extended regular expression."""
    if isinstance(form, Mapping):
        return _table("|".join(f'"{key}":{_of_context(inner)}' for key, inner in form.items()))
    if form is True:
        return "true"
    if isinstance(form, range):
        return _numbers(form[0], form[-1])
    if isinstance(form, frozenset):
        return _of_kind(OneOf(tuple(sorted(form))))
    return f'"({expression(form)})"'


def _of_kind(kind: Kind) -> str:
    """The JSON of its values that need no mending, as an extended regular expression."""
    if isinstance(kind, OneOf):
        return f"({'|'.join(map(_literal, kind.values))})"
    if isinstance(kind, Bucket):
        return _of_kind(OneOf(kind.labels()))
    if isinstance(kind, Boolean):
        return "(true|false)"
    if isinstance(kind, Integer):
        return _numbers(kind.minimum, kind.maximum)
    if isinstance(kind, Version):
        return f'"({expression(properties.VERSION)})"'
    if isinstance(kind, properties.CommandPath):
        return f'"({COMMANDS})"'
    if isinstance(kind, properties.OptionNames):
        option = f'"({expression(properties.OPTION)})"'
        return f"\\[({option}(,{option})*)?\\]"
    if isinstance(kind, properties.ExceptionName):
        known = filter(properties.is_builtin, vars(builtins))
        return _of_kind(OneOf((*sorted({*known, *properties.CLICK_EXCEPTIONS, *kind.declared}), event.OTHER)))
    raise TypeError(f"{type(kind).__name__} has no form in a shell")


def expression(pattern: re.Pattern[str]) -> str:
    """A pattern of ours in the language of `grep -E`, which knows neither \\d nor \\w."""
    return re.sub(r"\[([^]]*)\]", lambda found: found[0].replace("\\w", "A-Za-z0-9_"), pattern.pattern).replace(
        "\\d", "[0-9]"
    )


COMMANDS = f"({expression(properties.COMMAND)})( ({expression(properties.COMMAND)}))*"


def _literal(text: str) -> str:
    return re.sub(r"([][\\.^$*+?(){}|])", r"\\\1", event.encode(text))


def _numbers(low: int, high: int) -> str:
    """The whole numbers from `low` to `high`, which no expression of `grep -E` counts."""
    parts = [f"-{part}" for part in _positive(max(1, -high), -low)] + [*_positive(max(0, low), high)]
    return f"({'|'.join(parts)})"


def _positive(low: int, high: int) -> Iterator[str]:
    for length in range(len(str(low)), len(str(high)) + 1 if low <= high else 0):
        first, last = max(low, 10 ** (length - 1) if length > 1 else 0), min(high, 10**length - 1)
        yield _same_length(str(first), str(last))


def _same_length(low: str, high: str) -> str:
    rest = len(low) - 1
    if not rest:
        return f"[{low}-{high}]"
    if low[0] == high[0]:
        return f"{low[0]}{_same_length(low[1:], high[1:])}"
    parts, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * rest:
        parts.append(low[0] + _same_length(low[1:], "9" * rest))
        first += 1
    if high[1:] != "9" * rest:
        parts.append(high[0] + _same_length("0" * rest, high[1:]))
        last -= 1
    if first <= last:
        parts.append(f"[{first}-{last}][0-9]{{{rest}}}")
    return f"({'|'.join(parts)})"
