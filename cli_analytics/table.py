"""Table: one table of a TOML document, read with errors that say which key, what is wrong and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Optional

from cli_analytics.errors import ManifestError

Table = Mapping[str, Any]

_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def within(key: str, build: Callable[[Any], Any], value: Any) -> Any:
    """What `build` makes of `value`; an error in it gets `key` put before its own."""
    try:
        return build(value)
    except ManifestError as error:
        raise error.within(key) from None


def only(table: Table, allowed: set[str]) -> None:
    """Raises ManifestError for a key that is none."""
    for key in table:
        if key not in allowed:
            raise ManifestError("is no key here", key=key, allowed=", ".join(sorted(allowed)))


def inner(table: Table, key: str) -> Table:
    """The table `key`, an empty one where there is none. Raises ManifestError."""
    value: Optional[Table] = table.get(key, {})
    if not isinstance(value, dict):
        raise ManifestError("is not a table", key=key, allowed=f"[{key}]")
    return value


def text(table: Table, key: str, *, required: bool = False) -> str:
    """The text `key`, empty where there is none. Raises ManifestError."""
    value = table.get(key, "")
    if not is_line(value) or (required and not value.strip()):
        problem = "is missing" if key not in table else f"is {value!r}"
        raise ManifestError(problem, key=key, allowed="a text that is not empty, on one line")
    assert isinstance(value, str)
    return value


def is_line(value: object) -> bool:
    """True for a text on one line, without control characters: it is shown on terminals and in rows of tables."""
    return isinstance(value, str) and _BREAKS.search(value) is None


def switch(table: Table, key: str, default: str) -> str:
    """`on` or `off`. Raises ManifestError."""
    value: str = table.get(key, default)
    if value not in ("on", "off"):
        raise ManifestError(f"is {value!r}", key=key, allowed='"on" or "off"')
    return value


def names(table: Table, key: str) -> tuple[str, ...]:
    """The list of names `key`, an empty one where there is none. Raises ManifestError."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name.isidentifier() for name in value):
        raise ManifestError("is not a list of names", key=key, allowed='["ConfigError"]')
    return tuple(value)
