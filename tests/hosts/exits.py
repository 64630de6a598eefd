"""A host whose commands end in every way that one can end: `exits.py COMMAND [ARGUMENT...]`.

HOW says how it is instrumented: bare, above, below or attach. SHAPE says what is run: the group, `single` (the command
itself is the tool) or `caller` (a caller of the group that prints what it got). The source is the same for all, so
that tracebacks agree line by line.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
HOW = os.environ["HOW"]
SHAPE = os.environ["SHAPE"]
if HOW != "bare":
    from cli_analytics import Analytics

    MANIFEST = os.path.join(os.path.dirname(__file__), "analytics.toml")
    analytics = Analytics(
        os.environ.get("TOOL", "tool"), version="1.2.3", manifest=os.environ.get("MANIFEST", MANIFEST)
    )

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have it ignored


def below(function: F) -> F:
    return analytics.command(function) if HOW == "below" else function


def above(command: F) -> F:
    return analytics.command(command) if HOW == "above" else command


class HostError(Exception):
    """One that the manifest declares."""


class SecretError(Exception):
    """One that it doesn't."""


class PickyError(click.ClickException):
    exit_code = 42


class Odd(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    name = "odd"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return int(value) // 0 if value == "0" else int(value)


def fail_on_close() -> NoReturn:
    raise ValueError("while closing")


class Resource:
    def __enter__(self) -> None:
        click.echo("opened")

    def __exit__(self, *_error: object) -> None:
        raise OSError("can't be closed")


def check(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value == "raise":
        raise LookupError("in a callback")
    if value == "exit":
        ctx.exit(9)
    return value


def recurse(depth: int) -> int:
    return recurse(depth + 1)


def end_by_chaining(explicit: bool) -> NoReturn:
    try:
        int("no number")
    except ValueError as error:
        if explicit:
            raise HostError("with a cause") from error
        raise SecretError("with a context")  # noqa: B904
    sys.exit("not reached")


def raise_(error: BaseException) -> NoReturn:
    raise error


def wait(_ctx: click.Context) -> None:
    click.echo("ready")
    sys.stdout.flush()
    time.sleep(30)


def talk(_ctx: click.Context) -> None:
    for number in range(200_000):
        click.echo(f"line {number}")


ENDINGS: dict[str, Any] = {
    "returns-value": lambda ctx: "a value",
    "returns-none": lambda ctx: None,
    "exit-0": lambda ctx: sys.exit(0),
    "exit-3": lambda ctx: sys.exit(3),
    "exit-message": lambda ctx: sys.exit("a message"),
    "exit-256": lambda ctx: sys.exit(256),
    "ctx-exit-0": lambda ctx: ctx.exit(0),
    "ctx-exit-5": lambda ctx: ctx.exit(5),
    "abort": lambda ctx: raise_(click.Abort()),
    "usage-error": lambda ctx: raise_(click.UsageError("wrong", ctx)),
    "bad-parameter": lambda ctx: raise_(click.BadParameter("wrong")),
    "click-exception": lambda ctx: raise_(click.ClickException("sorry")),
    "file-error": lambda ctx: raise_(click.FileError("notes", "gone")),
    "own-exit-code": lambda ctx: raise_(PickyError("picky")),
    "interrupt": lambda ctx: raise_(KeyboardInterrupt()),
    "value-error": lambda ctx: raise_(ValueError("bad")),
    "host-error": lambda ctx: raise_(HostError("bad")),
    "secret-error": lambda ctx: raise_(SecretError("bad")),
    "cause": lambda ctx: end_by_chaining(True),
    "context": lambda ctx: end_by_chaining(False),
    "eof": lambda ctx: raise_(EOFError()),
    "broken-pipe": lambda ctx: raise_(BrokenPipeError(32, "Broken pipe")),
    "os-error": lambda ctx: raise_(FileNotFoundError(2, "No such file or directory", "notes")),
    "assertion": lambda ctx: raise_(AssertionError()),
    "closer": lambda ctx: ctx.call_on_close(fail_on_close),
    "closer-after-error": lambda ctx: (ctx.call_on_close(fail_on_close), raise_(KeyError("first"))),
    "resource": lambda ctx: ctx.with_resource(Resource()),
    "os-exit": lambda ctx: os._exit(7),
    "recursion": lambda ctx: recurse(0),
    "wait": wait,
    "talk": talk,
}


@above
@click.group()
@click.option("--verbose", "-v", is_flag=True)
@below
def cli(verbose: bool) -> None:
    if verbose:
        click.echo("verbose")


@above
@cli.group()
@below
def db() -> None:
    click.echo("db")


@above
@cli.group(invoke_without_command=True)
@below
def maybe() -> None:
    click.echo("maybe")


@above
@cli.command("parses")
@click.argument("number", type=Odd())
@click.option("--count", type=int)
@click.option("--check", callback=check)
@click.option("--color/--no-color")
@below
def parses(number: int, **options: Any) -> None:
    click.echo(f"{number} {options}")


def add(group: click.Group, name: str, ending: Any) -> None:
    @above
    @group.command(name)
    @click.option("--level", "-l")
    @click.pass_context
    @below
    def command(ctx: click.Context, level: str) -> Any:
        click.echo(f"{name} {level}")
        return ending(ctx)


for key, value in ENDINGS.items():
    add(cli, key, value)
    add(db, key, value)
add(maybe, "sub", ENDINGS["value-error"])


def call() -> None:
    try:
        click.echo(f"returned {cli.main(sys.argv[1:], 'tool', standalone_mode=False)!r}")
    except BaseException as error:
        click.echo(f"raised {error!r} from {error.__cause__!r} in {error.__context__!r}")
        traceback.print_exc()


if __name__ == "__main__":
    root, arguments = (cli.commands[sys.argv[1]], sys.argv[2:]) if SHAPE == "single" else (cli, sys.argv[1:])
    if HOW == "attach":
        analytics.attach(root)
    if SHAPE == "caller":
        call()
    else:
        root.main(arguments, "tool")
