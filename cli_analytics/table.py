"""Table: one table of a TOML document, read with errors that say which key, what is wrong and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from cli_analytics.errors import ManifestError

Table = Mapping[str, Any]


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
    if not isinstance(value, str) or (required and not value.strip()):
        raise ManifestError(
            "is missing" if key not in table else f"is {value!r}", key=key, allowed="a text that is not empty"
        )
    return value


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
