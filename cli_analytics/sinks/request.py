"""Request: what a sink wants carried somewhere, before anything carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cli_analytics.event import Event


class Request(NamedTuple):
    """A POST of `body`, which holds `events`, to an https `url`.

    `once` is for destinations that can't tell a repetition: then nothing is sent again once the body was begun.
    A `file:` URL is written as a new file; `console:` is printed.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    events: Sequence[Event]
    once: bool = False

    @property
    def address(self) -> str:
        """Where it goes, without the query, in which some destinations want a secret."""
        return self.url.split("?", 1)[0]
