"""A host that loads its subcommands when they are asked for, as click's documentation shows it: `HOW=… lazy.py …`."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click


class LazyGroup(click.Group):
    """Loads `module:object` when a command of that name is asked for."""

    def __init__(self, *args: Any, lazy: dict[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return super().list_commands(ctx) + sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            return self._load(cmd_name)
        return super().get_command(ctx, cmd_name)

    def _load(self, cmd_name: str) -> click.Command:
        module, _, name = self.lazy[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found


sys.path.insert(0, os.path.dirname(__file__))
cli = LazyGroup(
    lazy={"works": "lazily_loaded:works", "broken": "broken_module:command", "missing": "no_such_module:command"}
)

if os.environ["HOW"] == "attach":
    from cli_analytics import Analytics

    manifest = os.path.join(os.path.dirname(__file__), "analytics.toml")
    Analytics("tool", version="1.2.3", manifest=manifest).attach(cli, group=None, flag=None)

if __name__ == "__main__":
    cli.main(prog_name="tool")
