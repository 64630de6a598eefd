"""Request: one HTTP request as a sink wants it, before anything carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Request(NamedTuple):
    """A POST of `body`, which holds the next `events` of the events that were encoded."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    events: int
