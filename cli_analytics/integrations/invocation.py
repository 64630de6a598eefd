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

_NO_ARGS_IS_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # since click 8.2


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
        names += [_spelling(ctx, given) for given in ctx.command.params if _was_given(ctx, given)]
        ctx = ctx.parent
    return sorted(names)


def judge(error: Optional[BaseException], *, under_click: bool = True) -> Ending:
    """How a command ended that raised `error`, or nothing. Click turns an interrupt into status 1."""
    if error is None:
        return Ending("ok", 0)
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return _exited(error.code)
    if isinstance(error, KeyboardInterrupt):
        return Ending("aborted", 1 if under_click else INTERRUPTED, name)
    if under_click and isinstance(error, Exit):
        return _exited(error.exit_code)
    if under_click and isinstance(error, (click.Abort, EOFError)):
        return Ending("aborted", 1, name)
    if under_click and isinstance(error, click.ClickException):
        status = _exited(error.exit_code).exit_code
        return Ending("usage_error" if isinstance(error, click.UsageError) else "error", status, name)
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return Ending("broken_pipe", 1, name)
    return Ending("error", 1, name)


def is_group(command: Any) -> bool:
    """True for everything that has subcommands, whatever class click gives it in this version."""
    return hasattr(command, "list_commands")


def is_chain_member(ctx: click.Context) -> bool:
    """True below a group whose commands are chained: each of them is a run of its own command."""
    return ctx.parent is not None and bool(getattr(ctx.parent.command, "chain", False))


def was_answered(error: Optional[BaseException]) -> bool:
    """True when parsing ended with an answer and no command was run: --help, --version and the like."""
    return error is not None and (isinstance(error, _NO_ARGS_IS_HELP) or judge(error).outcome == "ok")


def _registered_name(parent: click.Context, ctx: click.Context) -> str:
    group: Any = parent.command
    names = [name for name in (ctx.command.name, ctx.info_name) if name]
    registered = getattr(group, "commands", {})
    known = [name for name in (*names, *registered) if registered.get(name) is ctx.command]
    if not known:
        listed = group.list_commands(parent) if is_group(group) else ()
        known = [name for name in names if name in registered or name in listed]
    return str(known[0]) if known else OTHER


def _was_given(ctx: click.Context, option: click.Parameter) -> bool:
    name = option.name
    if not isinstance(option, click.Option) or name is None or name == FLAG:
        return False
    if ctx.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
        return False
    alternatives = [other for other in ctx.command.params if other.name == name]
    return len(alternatives) == 1 or option.flag_value == ctx.params.get(name)


def _spelling(ctx: click.Context, option: click.Parameter) -> str:
    """The long name; of a flag such as --color/--no-color the one that was meant."""
    is_negative = bool(option.secondary_opts) and ctx.params.get(option.name or "") is False
    return max(option.secondary_opts if is_negative else option.opts, key=len)


def _exited(code: object) -> Ending:
    """sys.exit takes a status, None for 0, or a message for 1; the system keeps eight bits of a status."""
    if not isinstance(code, int):
        code = 0 if code is None else 1
    status = code & 0xFF
    return Ending("error" if status else "ok", status)
