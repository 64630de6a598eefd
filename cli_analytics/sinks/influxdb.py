"""InfluxDB: line protocol over the HTTP API of version 2, which 1.8 and 3 take as well. Events are only counted.

    POST /api/v2/write?org=…&bucket=…&precision=s      Authorization: Token …      Content-Encoding: gzip
    command_run,app=mytool,arch=x86_64,ci=none,command=run,… count=2i,duration_ms=24i 1767323045

    measurement  the event's name
    tags         app, version, os, arch, python, ci, container, ephemeral where it is true; of the properties words
                 and booleans, and exit_code
    fields       count; of the properties whole numbers, summed

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ . There is no id in it: not of an installation,
a run or an event. So the server takes points of the same measurement, tags and second for one, and the last one stays.
Those of one sender are added up before they leave; of two installations that are alike in every tag, and record in the
same second, one overwrites the other. For the same reason nothing is counted twice that is sent twice.

A property that is called like one of our own tags or fields is sent as `property_<name>`. A list of options is left
out, for there are as many tags as lists.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional
from urllib.parse import quote, urlencode

from cli_analytics import event
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.sinks.batches import batches
from cli_analytics.sinks.request import Request

PATH = "/api/v2/write"
MAX_LINES = 5_000  # what InfluxData recommends for a batch
MAX_BYTES = 500_000  # before it is compressed
MAX_FIELD = 2**63 - 1
MAX_SECOND = MAX_FIELD // 10**9  # in nanoseconds it must be a whole number, too

CATEGORY = "exit_code"  # a whole number that stands for something, so that a sum of it says nothing
PREFIX = "property_"
_CONTEXT = ("arch", "python", "ci", "container")
_OWN = frozenset({"app", "version", "os", *_CONTEXT, "ephemeral", "count", "time"})  # `time` is InfluxDB's

# A backslash becomes a slash: before what is escaped, or before another, version 2 and 3 read it differently, and at
# the end of a value it can't stand.
_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", "\\": "/", "\n": r"\ "})
_TAG = {**_MEASUREMENT, ord("="): r"\="}


def encode(events: Sequence[Event], config: SinkConfig, _sent_at: str) -> list[Request]:
    """As few requests as the bounds allow. An event of a time that InfluxDB does not know is left out."""
    return [_request(batch, config) for batch in batches(_lines(events), most=MAX_LINES, max_bytes=MAX_BYTES)]


def _request(batch: Sequence[tuple[Sequence[Event], bytes]], config: SinkConfig) -> Request:
    query = {"org": config.settings["org"], "bucket": config.settings["bucket"], "precision": "s"}
    headers = {
        "Authorization": f"Token {config.settings['token']}",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress(b"\n".join(line for _, line in batch), mtime=0)
    url = f"{config.endpoint}{PATH}?{urlencode(query, quote_via=quote)}"
    return Request(url, headers, body, [item for merged, _ in batch for item in merged])


def _lines(events: Sequence[Event]) -> Iterator[tuple[list[Event], bytes]]:
    """The lines, each with the events that are counted in it."""
    points: dict[tuple[str, int], list[Event]] = {}
    for item in events:
        second = _second(item)
        if second is not None:
            points.setdefault((_series(item), second), []).append(item)
    for (series, second), merged in points.items():
        yield merged, f"{series} {_fields(merged)} {second}".encode()


def _second(item: Event) -> Optional[int]:
    second = event.milliseconds(item["timestamp"]) // 1000
    return second if abs(second) <= MAX_SECOND else None


def _series(item: Event) -> str:
    """Measurement and tags, sorted, without those that are empty."""
    tags = {key.translate(_TAG): value.translate(_TAG) for key, value in _tags(item).items() if value}
    return ",".join([event.name(item).translate(_MEASUREMENT), *(f"{key}={tags[key]}" for key in sorted(tags))])


def _tags(item: Event) -> dict[str, str]:
    context = item["context"]
    app = context.get("app", {})
    tags = {"app": app.get("name", ""), "version": app.get("version", ""), "os": context.get("os", {}).get("name", "")}
    tags.update({key: context.get(key, "") for key in _CONTEXT})
    tags["ephemeral"] = "true" if context.get("ephemeral") else ""
    for name, value in event.properties(item).items():
        if isinstance(value, bool):
            tags[_key(name)] = "true" if value else "false"
        elif isinstance(value, str) or name == CATEGORY:
            tags[_key(name)] = str(value)
    return tags


def _fields(merged: Sequence[Event]) -> str:
    sums = Counter(count=len(merged))
    for item in merged:
        sums.update({_key(name): value for name, value in _numbers(event.properties(item))})
    return ",".join(f"{key.translate(_TAG)}={max(-MAX_FIELD, min(MAX_FIELD, sums[key]))}i" for key in sorted(sums))


def _numbers(properties: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in properties.items():
        if type(value) is int and name != CATEGORY:
            yield name, value


def _key(name: str) -> str:
    """The property's name, different from our own and from that of any other property."""
    return PREFIX + name if name in _OWN or name.startswith(PREFIX) else name
