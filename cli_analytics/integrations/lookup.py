"""Lookup: stands in for the methods by which a group finds its subcommands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli_analytics.integrations.click import observe, run_of

if TYPE_CHECKING:
    from cli_analytics.host import Host


class StandIn:
    """Stands in for a method of one group, and of its copies, which have the same attributes."""

    def __init__(self, client: Host, group: click.Command, method: str) -> None:
        self.client = client
        self.group = group
        self.method = method
        self.replaced = vars(group).get(method)  # the host may have put one there itself
        setattr(group, method, self)

    def __deepcopy__(self, memo: object) -> StandIn:
        return self

    def original(self, ctx: Any) -> Any:
        """The method of the group that is asked."""
        if self.replaced is not None:
            return self.replaced
        asked = getattr(ctx, "command", None)
        owner = asked if getattr(asked, self.method, None) is self else self.group
        return getattr(type(owner), self.method).__get__(owner)


class Resolver(StandIn):
    """Observes the subcommand that a group is about to run: registered, lazily loaded, aliased or collected."""

    @classmethod
    def install(cls, client: Host, group: Any) -> None:
        """Put one in front of a group's own. Doing it twice changes nothing."""
        if not isinstance(group.resolve_command, Resolver):
            cls(client, group, "resolve_command")

    def __call__(self, ctx: click.Context, args: list[str]) -> Any:
        """What the group itself finds."""
        run = run_of(self.client, ctx)
        if run is None or ctx is not run.group:
            return self.original(ctx)(ctx, args)
        run.searching = ctx  # and stays so where nothing is found
        found = self.original(ctx)(ctx, args)
        run.searching = None
        run.found = found[1]
        if run.found is not None:
            self.client.attempt(observe, self.client, run.found)
        return found
