"""A host that spills secrets wherever a host can: what it raises, asks for, records, and is called with.

SPILL is a JSON table of secrets by where they go; DECLARED is the one value that the manifest declares. With FUNCTION
it is a decorated function instead of a tree of commands.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from cli_analytics import Analytics

SPILL: dict[str, str] = json.loads(os.environ["SPILL"])
analytics = Analytics("mytool", version="1.2.3", manifest=Path(__file__).with_name("analytics.toml"))
Odd = type(SPILL["a class"], (Exception,), {})
OddUsage = type(SPILL["a class of click's"], (click.UsageError,), {})


class MakesUp(click.Group):
    """Has a command for whatever is typed."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return click.Command(cmd_name, params=[click.Argument(["words"], nargs=-1)], callback=lambda words: None)


@click.group()
@click.option("--config", help="Read from a file.")
@click.pass_context
def cli(ctx: click.Context, config: str) -> None:
    ctx.obj = config
    ctx.meta["secret"] = SPILL["meta"]


@cli.command()
@click.option("--note", "-n")
def fail(note: str) -> None:
    try:
        try:
            os.environ[SPILL["a context"]]
        except KeyError:
            raise ValueError(SPILL["a cause"])  # noqa: B904
    except ValueError as error:
        odd = Odd(SPILL["a message"], note)
        odd.__notes__ = [SPILL["a note"]]
        raise odd from error


@cli.command()
@click.argument("how")
def end(how: str) -> None:
    endings: dict[str, Any] = {
        "file": FileNotFoundError(2, "No such file", SPILL["a file"]),
        "builtin": ValueError(SPILL["a value"]),
        "usage": OddUsage(SPILL["a usage error"]),
        "parameter": click.BadParameter(SPILL["a parameter"], param_hint=SPILL["a hint"]),
        "click": click.FileError(SPILL["a file of click's"], SPILL["its hint"]),
        "exit": SystemExit(SPILL["an exit"]),
        "abort": click.Abort(SPILL["an abort"]),
    }
    raise endings[how]


@cli.command()
@click.option("--password", prompt=True)
def ask(password: str) -> None:
    click.prompt("And your name", default=SPILL["a default"])
    click.confirm(SPILL["a question"], abort=True)


@cli.command("open")
@click.argument("path", type=click.Path(exists=True))
@click.argument("more", type=click.File(), nargs=-1)
def open_file(path: str, more: Any) -> None:
    click.echo(path)


@cli.command()
@click.option("--format", "-f", type=click.Choice(["csv", "json"]), envvar="LEAKY_FORMAT")
@click.option("--rows", "-r", type=int)
def choose(**_: Any) -> None:
    pass


@cli.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("words", nargs=-1)
def walk(words: Any) -> None:
    pass


@cli.command()
def say() -> None:
    """Record what may leave, and everything that may not."""
    analytics.record("report_exported", format=os.environ["DECLARED"], rows=7)
    analytics.record(SPILL["an event"], format="csv")
    analytics.record("report_exported", **{SPILL["a key"]: SPILL["a value of it"], "format": SPILL["a format"]})
    analytics.record("report_exported", rows=[SPILL["a row"]], path=Path(SPILL["a path"]).as_posix())
    analytics.record(
        "report_exported",
        type="identify",
        event=SPILL["a name"],
        messageId=SPILL["a message id"],
        anonymousId=SPILL["an id"],
        timestamp=SPILL["a time"],
        userId=SPILL["a user"],
        context={"ip": SPILL["an address"], "app": {"name": SPILL["an app"]}},
        properties={"format": SPILL["a property"]},
    )
    analytics.feature(SPILL["a feature"])


cli.add_command(MakesUp("remote", invoke_without_command=True, callback=lambda: None))


@cli.group(chain=True)
def steps() -> None:
    pass


@steps.command()
@click.option("--note")
@click.argument("word")
def one(note: str, word: str) -> None:
    pass


@analytics.command
def helper(words: list[str], secret: str = "") -> NoReturn:
    raise Odd(secret, words)


analytics.attach(cli)

if __name__ == "__main__":
    if "FUNCTION" in os.environ:
        helper(sys.argv[1:], secret=SPILL["an argument"])
    cli(prog_name="mytool")
