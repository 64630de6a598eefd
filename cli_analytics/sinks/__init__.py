"""Sinks: where do events go? One module a destination.

A sink is a pure function `encode(events, config, sent_at) → requests`; what carries a request is delivery.py, the same
for all of them.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence

from cli_analytics.event import Event
from cli_analytics.manifest import SinkConfig
from cli_analytics.sinks import segment
from cli_analytics.sinks.request import Request

Encode = Callable[[Sequence[Event], SinkConfig, str], "list[Request]"]

SINKS: dict[str, Encode] = {"segment": segment.encode}


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """The requests that bring `events`, in order, to the destination that `config` names."""
    return SINKS[config.type](events, config, sent_at)


def text(request: Request) -> str:
    """The body of a request as a person reads it: byte for byte what was sent, before it was compressed."""
    compressed = request.headers.get("Content-Encoding") == "gzip"
    return (gzip.decompress(request.body) if compressed else request.body).decode()
