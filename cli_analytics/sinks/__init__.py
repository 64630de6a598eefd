"""Sinks: where do events go? One module a destination.

A sink is a pure function `encode(events, config, sent_at) → requests`; what carries a request is delivery.py, the same
for all of them. A maintainer's own is the function named by an entry point of the group `cli_analytics.sinks`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from cli_analytics.destination import SinkConfig
from cli_analytics.errors import ManifestError, SinkError
from cli_analytics.event import Event
from cli_analytics.manifest import Manifest
from cli_analytics.properties import Declaration
from cli_analytics.sinks import console, file, ga4, influxdb, segment, universal
from cli_analytics.sinks.request import Request

__all__ = ["GROUP", "Request", "encode", "find", "problems", "text"]

GROUP = "cli_analytics.sinks"

Encode = Callable[[Sequence[Event], SinkConfig, str], Sequence[Request]]
Problems = Callable[[Mapping[str, Declaration]], "list[str]"]

SINKS: Mapping[str, Encode] = {
    "console": console.encode,
    "file": file.encode,
    "ga4": ga4.encode,
    "influxdb": influxdb.encode,
    "segment": segment.encode,
    "universal": universal.encode,
}
_PROBLEMS: Mapping[str, Problems] = {"ga4": ga4.problems}


def find(type_: str) -> Encode:
    """The sink of that type. Raises ManifestError where there is none."""
    if type_ in SINKS:
        return SINKS[type_]
    from importlib import metadata

    found = metadata.entry_points()
    # Before Python 3.10 it is a dict; since then one asks for a group.
    own = found.select(group=GROUP) if hasattr(found, "select") else found.get(GROUP, ())
    entry = next((entry for entry in own if entry.name == type_), None)
    if entry is None:
        allowed = ", ".join(sorted({*SINKS, *(entry.name for entry in own)}))
        raise ManifestError(f"{type_!r} is no sink, and no installed package brings one", key="type", allowed=allowed)
    return cast(Encode, entry.load())


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """The requests that bring `events`, in order, to the destination that `config` names. Raises SinkError."""
    try:
        requests = list(find(config.type)(events, config, sent_at))
        if not all(isinstance(item, Request) and isinstance(item.body, bytes) for item in requests):
            raise TypeError("it returned something else than requests whose bodies are bytes")
    except Exception as error:
        raise SinkError(f"the sink {config.type} failed: {type(error).__name__}: {error}") from error
    return requests


def problems(declared: Manifest) -> list[str]:
    """What the destinations of a manifest would not take of what it declares, and sinks that are not installed."""
    found = []
    for number, sink in enumerate(declared.sinks):
        try:
            find(sink.type)
        except ManifestError as error:
            found.append(str(error.within(f"sinks[{number}]")))
    types = sorted({sink.type for sink in declared.sinks} & set(_PROBLEMS))
    return [*found, *(problem for type_ in types for problem in _PROBLEMS[type_](declared.events))]


def text(request: Request) -> str:
    """The body of a request as a person reads it: byte for byte what was sent, before it was compressed."""
    body = request.body
    if request.headers.get("Content-Encoding") == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            pass  # somebody else's sink, which says so and does not do it
    return body.decode("utf-8", "backslashreplace")
