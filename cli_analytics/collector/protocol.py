"""Protocol: what the collector has to know of a wire format. One module each: segment.py, ga4.py, universal.py.

A protocol makes Segment messages of what came. Their `writeKey` is the key of the source, whatever the protocol calls
it: Segment's write key, GA4's measurement id, Universal Analytics' tracking id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from cli_analytics.event import Event


class Call(NamedTuple):
    """A request that has come in whole; `key` is the user name of its Basic authorization."""

    path: str
    query: bytes
    body: bytes
    key: str | None
    received: datetime


class Answer(NamedTuple):
    """What is answered."""

    status: int
    content: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any], status: int = 200) -> Answer:
        """An answer in JSON."""
        return cls(status, msgspec.json.encode(content), ((b"content-type", b"application/json"),))


class Protocol(NamedTuple):
    """A wire format, named after the type of the sink that speaks it.

    `taken` is the answer when all is on disk. `says_why` is false where the service answers alike whatever it got, so
    that its clients expect no other answer. `is_text` is true where a value may come as text, whatever its kind.
    """

    sink: str
    events: Callable[[Call], Iterable[Event]]
    taken: Answer
    says_why: bool
    is_text: bool
    methods: tuple[str, ...] = ("POST",)
