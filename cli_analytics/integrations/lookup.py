"""Lookup: stands in for the `get_command` of a group that finds its commands in a way of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli_analytics.integrations.click import observe

if TYPE_CHECKING:
    from cli_analytics.host import Host


class Lookup:
    """Observes what a lazily loading, aliasing or collecting group finds."""

    def __init__(self, client: Host, original: Callable[..., Any]) -> None:
        self.client = client
        self.original = original

    @classmethod
    def install(cls, client: Host, group: Any) -> None:
        """Put one in front of a group's own look-up. Doing it twice changes nothing."""
        if not isinstance(group.get_command, Lookup):
            group.get_command = cls(client, group.get_command)

    def __call__(self, ctx: click.Context, name: str) -> Any:
        """What the group itself finds."""
        found = self.original(ctx, name)
        if found is not None:
            self.client.attempt(observe, self.client, found)
        return found
