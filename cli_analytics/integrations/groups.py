"""Groups: how the subcommands of a group are observed, and what a tree gets for the users of its host.

Stand-ins for the methods by which a group finds its subcommands observe the one that is about to run, and find and list
the users' command group. The tree's own registry stays as it is: that group is not registered, and nothing of it is
imported before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import click

from cli_analytics.integrations.click import FLAG, is_group, observe, run_of

if TYPE_CHECKING:
    from cli_analytics.host import Host


_LOOKS_UP = "cli_analytics.looks_up"  # in a context's meta while its group looks for a command


def mount(client: Host, cli: Any, name: str) -> None:
    """Have the group `cli` find and list the users' commands under `name`; a command of its own wins."""
    if not is_group(cli) or name in getattr(cli, "commands", {}) or isinstance(cli.get_command, _Lookup):
        return
    client.commands = f"{client.tool} {name}"
    _Lookup(client, cli, _Users(client, name), _Listing(client, cli, name))


def add_flag(client: Host, cli: click.Command, flag: str) -> None:
    """Give `cli` the option that says no for one run; an option of its own wins."""
    if any(flag in (*parameter.opts, *parameter.secondary_opts) for parameter in cli.params):
        return

    def say_no(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
        run = run_of(client, ctx)
        if value and run is not None:
            client.flag_off = run.is_off = True

    option = click.Option(
        [flag, FLAG],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=say_no,
        help="Record no usage data for this run.",
    )
    cli.params = [*cli.params, option]  # a list of its own: hosts share theirs among commands


class StandIn:
    """Stands in for a method of one group, and of its copies, which have the same attributes."""

    def __init__(self, client: Host, group: click.Command, method: str) -> None:
        self.client = client
        self.group = group
        self.method = method
        self.replaced = vars(group).get(method)  # the host may have put one there itself
        setattr(group, method, self)  # last, so that what stands there is whole

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


class _Users(click.Group):
    """The users' commands, imported when one of them is asked for."""

    def __init__(self, client: Host, name: str) -> None:
        super().__init__(name, help="See what usage data is recorded, and say yes or no to it.")
        self.client = client

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return self._load().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        """One of them."""
        return self._load().get_command(ctx, cmd_name)

    def make_context(
        self, info_name: Optional[str], args: list[str], parent: Optional[click.Context] = None, **extra: Any
    ) -> click.Context:
        """They record nothing."""
        run = run_of(self.client, parent)
        if run is not None:
            run.is_silent = True
        return super().make_context(info_name, args, parent, **extra)

    def _load(self) -> click.Group:
        from cli_analytics import user_commands

        return user_commands.group(self.client)


class _Listing(StandIn):
    """Lists the users' commands after the group's own, but not to the group itself while it looks for a command.

    A group that takes any unambiguous prefix for a command's name would find some of its own ambiguous.
    """

    def __init__(self, client: Host, group: click.Command, name: str) -> None:
        self.name = name
        super().__init__(client, group, "list_commands")

    def __call__(self, ctx: click.Context) -> list[str]:
        names = list(self.original(ctx)(ctx))
        run = run_of(self.client, ctx)
        if self.name in names or _meta(ctx).get(_LOOKS_UP) or (run is not None and run.searching is ctx):
            return names
        return [*names, self.name]


class _Lookup(StandIn):
    """Finds the users' commands before the group's own look-up, which may have a default for unknown names."""

    def __init__(self, client: Host, group: click.Command, users: _Users, listing: _Listing) -> None:
        self.users = users
        self.listing = listing
        super().__init__(client, group, "get_command")

    def __call__(self, ctx: click.Context, name: str) -> Any:
        if name == self.users.name and name not in self.listing.original(ctx)(ctx):
            return self.users
        meta = _meta(ctx)
        before, meta[_LOOKS_UP] = meta.get(_LOOKS_UP), True
        try:
            return self.original(ctx)(ctx, name)
        finally:
            meta[_LOOKS_UP] = before


def _meta(ctx: Optional[click.Context]) -> dict[str, Any]:
    """A context's meta; scripts that write documentation ask without a context."""
    return {} if ctx is None else ctx.meta
