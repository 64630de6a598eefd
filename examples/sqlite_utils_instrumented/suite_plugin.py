"""A pytest plugin: attaches the analytics of this example to sqlite-utils while its own test suite runs.

It hears from the plugin manager of sqlite-utils that the commands were loaded, because the suite loads them more than
once. What was typed and what is registered goes into the file that SUITE_NOTES names, one JSON document a line, for
tests/test_sqlite_utils.py to compare with what was sent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result
from sqlite_utils.plugins import pm

from cli_analytics import Analytics

MANIFEST = Path(__file__).with_name("analytics.toml")

analytics = Analytics("sqlite-utils", version=version("sqlite-utils"), manifest=MANIFEST, record_in_tests=True)
attached: list[click.Group] = []
bare_invoke = CliRunner.invoke


def attach(_outcome: object, hook: str, _plugins: object, arguments: Mapping[str, Any]) -> None:
    """The commands were loaded, for the first time or anew."""
    if hook == "register_commands":
        analytics.attach(arguments["cli"])
        attached.append(arguments["cli"])


def invoke(runner: CliRunner, cli: click.Command, args: Any = None, **settings: Any) -> Result:
    """Run a command as the suite asks for it, and note it."""
    result = bare_invoke(runner, cli, args, **settings)
    note(typed=[str(argument) for argument in args or ()], exit_code=result.exit_code)
    return result


def pytest_sessionfinish() -> None:
    """Note what is registered."""
    for cli in attached:
        options = [name for command in (cli, *cli.commands.values()) for name in names(command)]
        note(commands=list(cli.commands), options=options)


def names(command: click.Command) -> list[str]:
    """The names of a command's options."""
    return [
        name for item in command.params if isinstance(item, click.Option) for name in (*item.opts, *item.secondary_opts)
    ]


def note(**facts: Any) -> None:
    """One line."""
    with open(os.environ["SUITE_NOTES"], "a", encoding="utf-8") as notes:
        notes.write(json.dumps(facts) + "\n")


pm.add_hookcall_monitoring(before=lambda *_: None, after=attach)
CliRunner.invoke = invoke  # type: ignore[assignment, method-assign]
