"""Users: what a tree of commands gets for the users of its host, the command group and the flag that says no.

The tree's own registry stays as it is: the group is found and listed, not registered, and nothing of it is imported
before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

import click

from cli_analytics.integrations import invocation
from cli_analytics.integrations.click import run_of
from cli_analytics.integrations.lookup import Lookup

if TYPE_CHECKING:
    from cli_analytics.host import Host


def mount(client: Host, cli: Any, name: str) -> None:
    """Have the group `cli` find and list the users' commands under `name`; a command of its own wins."""
    if invocation.is_group(cli):
        client.commands = f"{client.tool} {name}"
        cli.get_command = _UsersLookup(client, cli.get_command, _Users(client, name), cli.list_commands)
        cli.list_commands = _Listing(cli.list_commands, name)


def add_flag(client: Host, cli: click.Command, flag: str) -> None:
    """Give `cli` the option that says no for one run."""

    def say_no(_ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
        client.flag_off = client.flag_off or value

    option = click.Option(
        [flag, invocation.FLAG],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=say_no,
        help="Record no usage data for this run.",
    )
    cli.params.append(option)


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

    def _load(self) -> click.Group:
        from cli_analytics import user_commands

        return user_commands.group(self.client)


class _UsersLookup(Lookup):
    """Finds the users' commands before the group's own look-up, which may have a default for unknown names."""

    def __init__(self, client: Host, original: Callable[..., Any], users: _Users, names: Callable[..., Any]) -> None:
        super().__init__(client, original)
        self.users = users
        self.names = names

    def __call__(self, ctx: click.Context, name: str) -> Any:
        if name != self.users.name or name in self.names(ctx):
            return super().__call__(ctx, name)
        run = run_of(self.client, ctx)
        if run is not None:
            run.is_silent = True
        return self.users


class _Listing:
    """Stands in for a group's `list_commands`: the users' commands come last."""

    def __init__(self, original: Callable[..., Any], name: str) -> None:
        self.original = original
        self.name = name

    def __call__(self, ctx: click.Context) -> list[str]:
        names = list(self.original(ctx))
        return names if self.name in names else [*names, self.name]
