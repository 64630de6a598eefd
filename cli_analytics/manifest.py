"""Manifest: what may be collected, why, by whom, and where it goes. Read from analytics.toml.

Unknown keys are errors, so that a misspelt opt-out is not silently ignored. At run time a manifest with an error means
off; `cli-analytics check` says what is wrong. The keys are listed in docs/manifest.md.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from cli_analytics import destination, environment, properties
from cli_analytics.destination import SinkConfig
from cli_analytics.errors import ManifestError
from cli_analytics.properties import BUILT_IN, Declaration, Kind
from cli_analytics.table import Table, inner, is_line, names, only, switch, text, within

TOOL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

MAX_WHOLE = 2**53  # a larger number is not the same in every reader of JSON
MAX_PROPERTIES = 20  # GA4 takes 25 parameters an event, of which the context needs some


class Tool(NamedTuple):
    """Who is responsible for the host."""

    name: str
    controller: str
    contact: str
    page: str
    source: str


class Policy(NamedTuple):
    """How collection is governed. `default` and `ci` are `on` or `off`; `ends` is an ISO date or empty.

    `rotate_id_days` is the age at which a client id is replaced, 0 for never.
    """

    default: str = "on"
    ci: str = "off"
    opt_out_env: tuple[str, ...] = ()
    retention_days: int = 365
    ends: str = ""
    rotate_id_days: int = 0


class Manifest(NamedTuple):
    """A valid analytics.toml. `events` holds the built-in events too, narrowed as the manifest says."""

    tool: Tool
    policy: Policy
    sinks: tuple[SinkConfig, ...]
    events: Mapping[str, Declaration]


def load(path: str) -> Manifest:
    """The manifest in the file `path`. Raises ManifestError with the file's name in it."""
    return parse(read(path), file=path)


def read(path: str) -> bytes:
    """The bytes of the manifest in the file `path`. Raises ManifestError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ManifestError(f"can't be read: {error.strerror}", file=path) from error


def parse(content: bytes, *, file: str = "analytics.toml") -> Manifest:
    """The manifest in `content`. Raises ManifestError with `file` in it."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return _manifest(tomllib.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise ManifestError(f"is not UTF-8 text at byte {error.start}", file=file) from error
    except ManifestError as error:
        raise ManifestError(error.problem, key=error.key, allowed=error.allowed, file=file) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, a number too long, a nesting too deep
        raise ManifestError(f"is not TOML: {error}", file=file) from error


def destinations(declared: Manifest, environ: Mapping[str, str]) -> tuple[SinkConfig, ...]:
    """Where events go: the manifest's sinks, or the organization's endpoint. Raises ManifestError."""
    endpoint = environ.get(environment.ENDPOINT, "").strip()
    if not endpoint:
        return declared.sinks
    return (SinkConfig("segment", destination.check_endpoint(endpoint), {"write_key": declared.tool.name}),)


def _manifest(document: Table) -> Manifest:
    only(document, {"schema", "tool", "policy", "sinks", "events"})
    if document.get("schema") != 1:
        raise ManifestError(f"is {document.get('schema', 'missing')!r}", key="schema", allowed="schema = 1")
    sinks = document.get("sinks", [])
    if not isinstance(sinks, list) or not all(isinstance(sink, dict) for sink in sinks):
        raise ManifestError("is not a list of tables", key="sinks", allowed="[[sinks]] with type = …")
    return Manifest(
        within("tool", _tool, inner(document, "tool")),
        within("policy", _policy, inner(document, "policy")),
        tuple(within(f"sinks[{number}]", destination.parse, sink) for number, sink in enumerate(sinks)),
        within("events", _events, inner(document, "events")),
    )


def _tool(table: Table) -> Tool:
    only(table, set(Tool._fields))
    name = text(table, "name", required=True)
    if not TOOL_NAME.fullmatch(name):
        raise ManifestError(f"{name!r} is no tool name", key="name", allowed="a-z, 0-9 and -, at most 40, no - first")
    required = {key: text(table, key, required=True) for key in ("controller", "contact")}
    return Tool(name, **required, page=text(table, "page"), source=text(table, "source"))


def _policy(table: Table) -> Policy:
    only(table, set(Policy._fields))
    default = Policy()
    variables = table.get("opt_out_env", [])
    if not isinstance(variables, list) or not all(isinstance(n, str) and VARIABLE_NAME.fullmatch(n) for n in variables):
        raise ManifestError("is not a list of variable names", key="opt_out_env", allowed='["MYTOOL_NO_ANALYTICS"]')
    return Policy(
        switch(table, "default", default.default),
        switch(table, "ci", default.ci),
        tuple(variables),
        _days(table, "retention_days", default.retention_days),
        _ends(table),
        _days(table, "rotate_id_days", default.rotate_id_days),
    )


def _days(table: Table, key: str, default: int) -> int:
    if key not in table:
        return default
    days = table[key]
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= 3650:
        raise ManifestError(f"is {days!r}", key=key, allowed="a whole number from 1 to 3650")
    return days


def _ends(table: Table) -> str:
    ends = table.get("ends")
    if ends is None:
        return ""
    if not isinstance(ends, date) or isinstance(ends, datetime):
        raise ManifestError(f"is {ends!r}", key="ends", allowed="a date without quotes, such as 2028-11-21")
    return ends.isoformat()


def _events(table: Table) -> dict[str, Declaration]:
    events = dict(BUILT_IN)
    for name, event in table.items():
        if not EVENT_NAME.fullmatch(name):
            raise ManifestError("is no event name", key=name, allowed="snake_case, at most 40 characters")
        if not isinstance(event, dict):
            raise ManifestError("is not a table", key=name, allowed=f"[events.{name}] with why = …")
        build = functools.partial(_narrowed, BUILT_IN[name]) if name in BUILT_IN else _event
        events[name] = within(name, build, event)
    return {name: event for name, event in events.items() if not _is_empty(event)}


def _is_empty(event: Declaration) -> bool:
    """True for a built-in event whose closed list the manifest has not filled: it can't be sent, nor is it told of."""
    return any(isinstance(kind, properties.OneOf) and not kind.values for kind in event.properties.values())


def _event(table: Table) -> Declaration:
    only(table, {"why", "properties"})
    return Declaration(text(table, "why", required=True), within("properties", _kinds, inner(table, "properties")))


def _narrowed(built_in: Declaration, table: Table) -> Declaration:
    only(table, {"why", "properties", "exceptions", "omit"})
    kinds = dict(built_in.properties)
    narrowed = within("properties", _kinds, inner(table, "properties"))
    for key in [*narrowed, *names(table, "omit")]:
        if key not in kinds:
            raise ManifestError("is no property of this event", key=key, allowed=", ".join(kinds))
    exceptions = names(table, "exceptions")
    if exceptions and "exception" in kinds:
        kinds["exception"] = properties.ExceptionName(tuple(sorted(exceptions)))
    kinds.update(narrowed)
    return Declaration(
        text(table, "why") or built_in.why,
        {key: kind for key, kind in kinds.items() if key not in names(table, "omit")},
    )


def _kinds(table: Table) -> dict[str, Kind]:
    if len(table) > MAX_PROPERTIES:
        raise ManifestError(f"there are {len(table)}", allowed=f"at most {MAX_PROPERTIES}")
    for name, value in table.items():
        if not EVENT_NAME.fullmatch(name):
            raise ManifestError("is no property name", key=name, allowed="snake_case, at most 40 characters")
        if not isinstance(value, dict):
            raise ManifestError(
                "is not a table", key=name, allowed='{ type = "boolean" }, { one_of = [...] } and the like'
            )
    return {name: within(name, _kind, value) for name, value in table.items()}


def _kind(table: Table) -> Kind:
    if "one_of" in table:
        return _one_of(table)
    if "bucket" in table:
        return _bucket(table)
    types: Mapping[str, Kind] = {"boolean": properties.Boolean(), "version": properties.Version()}
    kind = table.get("type")
    if kind == "integer":
        return _integer(table)
    if not isinstance(kind, str) or kind not in types:
        raise ManifestError(
            f"{kind!r} is no kind of property", key="type", allowed="one_of, bucket, boolean, integer, version"
        )
    only(table, {"type"})
    return types[kind]


def _one_of(table: Table) -> Kind:
    only(table, {"one_of"})
    values = table["one_of"]
    if not isinstance(values, list) or not all(is_line(v) and 0 < len(v) <= 100 for v in values) or not values:
        raise ManifestError(
            "is not a list of strings", key="one_of", allowed='["csv", "json"], each of 1 to 100 characters on one line'
        )
    return properties.OneOf(tuple(values))


def _bucket(table: Table) -> Kind:
    only(table, {"bucket"})
    edges = table["bucket"]
    if not isinstance(edges, list) or not edges or not all(map(_is_whole, edges)) or sorted(set(edges)) != edges:
        raise ManifestError("is not a rising list of whole numbers", key="bucket", allowed="[10, 100, 1000]")
    return properties.Bucket(tuple(edges))


def _integer(table: Table) -> Kind:
    only(table, {"type", "min", "max"})
    low, high = _bound(table, "min"), _bound(table, "max")
    if low > high:
        raise ManifestError(f"{low} is above max, {high}", key="min", allowed="min ≤ max")
    return properties.Integer(low, high)


def _bound(table: Table, key: str) -> int:
    value = table.get(key)
    if not isinstance(value, int) or not _is_whole(value):
        raise ManifestError(f"is {value!r}", key=key, allowed="a whole number; an integer needs both bounds")
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE
