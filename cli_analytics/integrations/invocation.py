"""Invocation: which command was it, with which options, and how did it end?

Names are those that the host registered; nothing is taken from the command line. A name that no registry knows is
`<other>`, a mistyped one `<unknown>`. How it ended:

    ok            it returned, or exited with 0
    error         it failed, or exited with anything else
    usage_error   it was called wrongly
    aborted       the user stopped it
    broken_pipe   who read its output had enough, as in `tool | head`
"""

from __future__ import annotations

import errno
from typing import Any, Optional

import click
from click.core import ParameterSource
from click.exceptions import Exit

from cli_analytics.event import OTHER, UNKNOWN_COMMAND

FLAG = "cli_analytics_off"  # the parameter behind --no-analytics, which is not reported
INTERRUPTED = 128 + 2  # what a shell reports of a process that SIGINT ended


class Ending:
    """The outcome, the exit status of the process, and the class of the exception (empty for an exit)."""

    def __init__(self, outcome: str, exit_code: int, exception: str = "") -> None:
        self.outcome = outcome
        self.exit_code = exit_code
        self.exception = exception


def path(ctx: click.Context, *, tool: str, unknown: bool = False) -> str:
    """The registered names from below the tool down to the command of `ctx`; the tool's own for the tool itself."""
    names = [UNKNOWN_COMMAND] if unknown else []
    while ctx.parent is not None:
        names.append(_registered_name(ctx.parent, ctx))
        ctx = ctx.parent
    return " ".join(reversed(names)) or tool


def options(ctx: Optional[click.Context]) -> list[str]:
    """The names of the options given on the command line to this command and to those above it."""
    names: list[str] = []
    while ctx is not None:
        names += [max(given.opts, key=len) for given in ctx.command.params if _was_given(ctx, given)]
        ctx = ctx.parent
    return sorted(names)


def judge(error: Optional[BaseException], *, under_click: bool = True) -> Ending:
    """How a command ended that raised `error`, or nothing. Click turns an interrupt into status 1."""
    if error is None:
        return Ending("ok", 0)
    name = type(error).__name__
    if isinstance(error, Exit):
        return _exited(error.exit_code)
    if isinstance(error, SystemExit):
        return _exited(error.code)
    if isinstance(error, (click.Abort, KeyboardInterrupt, EOFError)):
        interrupted = not under_click and isinstance(error, KeyboardInterrupt)
        return Ending("aborted", INTERRUPTED if interrupted else 1, name)
    if isinstance(error, click.ClickException):
        return Ending("usage_error" if isinstance(error, click.UsageError) else "error", error.exit_code, name)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return Ending("broken_pipe", 1, name)
    return Ending("error", 1, name)


def is_group(command: Any) -> bool:
    """True for everything that has subcommands, whatever class click gives it in this version."""
    return hasattr(command, "list_commands")


def is_chain_member(ctx: click.Context) -> bool:
    """True below a group whose commands are chained: each of them is a run of its own command."""
    return ctx.parent is not None and bool(getattr(ctx.parent.command, "chain", False))


def names_a_subcommand(ctx: click.Context) -> bool:
    """True for the context of a group, just parsed, that was given the name of a subcommand, known or not."""
    if not is_group(ctx.command):
        return False
    # Click keeps what is left for the subcommand under a public name in 8.1 and a private one since 8.2.
    return bool(vars(ctx).get("_protected_args") or vars(ctx).get("protected_args"))


def is_unknown_command(ctx: click.Context, error: Optional[BaseException]) -> bool:
    """True when the group of `ctx`, which was given a name, ended with this error before it found a command."""
    return isinstance(error, click.UsageError) and ctx.invoked_subcommand is None


def _registered_name(parent: click.Context, ctx: click.Context) -> str:
    group: Any = parent.command
    registered = getattr(group, "commands", {})
    for name in (ctx.command.name, ctx.info_name):
        if name and name in registered:
            return str(name)
    listed = group.list_commands(parent) if is_group(group) else ()
    for name in (ctx.command.name, ctx.info_name):
        if name and name in listed:
            return str(name)
    return OTHER


def _was_given(ctx: click.Context, parameter: click.Parameter) -> bool:
    name = parameter.name
    if not isinstance(parameter, click.Option) or name is None or name == FLAG:
        return False
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _exited(code: object) -> Ending:
    """sys.exit takes a status, None for 0, or a message for 1; the system keeps eight bits of a status."""
    if not isinstance(code, int):
        code = 0 if code is None else 1
    status = code & 0xFF
    return Ending("error" if status else "ok", status)
